/**
 * Load through the frp server while certificates are renewed, then while the authority is replaced. It runs in the
 * cluster's network (test/soak/run); what failed is told as outages: from the first failed request to the next good one.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { X509Certificate } from 'node:crypto';
import { installed, root, system } from '../cluster/support/cluster.ts';
import { apply, get, kubectl, rolledOut, tryKubectl } from '../cluster/support/kubectl.ts';
import { deployment, httpService, namespace } from '../cluster/support/objects.ts';
import { must } from '../cluster/support/run.ts';
import { restarted, withSettings } from '../cluster/support/settings.ts';
import { servedBy } from '../cluster/support/traffic.ts';

const minutes = Number(process.env.SOAK_MINUTES ?? 15);
const rate = Number(process.env.SOAK_RATE ?? 50);
/** of each phase of the rotation; longer than the three minutes that the frp server may take to restart */
const pause = process.env.SOAK_PAUSE ?? '5m';
const ns = 'soak-certificates';
const host = 'soak.example.com';
const say = (text: string): void => console.log(`${new Date().toISOString()} ${text}`);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Outage {
  at: string;
  seconds: number;
  failed: number;
  first: string;
}

/** Sends requests on time, whatever becomes of the ones before; each has a connection of its own. */
class Load {
  sent = 0;
  answered = 0;
  readonly outages: Outage[] = [];
  #down: { since: number; failed: number; first: string } | undefined;
  readonly #agent = new Agent({ keepAlive: false });
  readonly #timer: NodeJS.Timeout;

  constructor(address: string) {
    this.#timer = setInterval(() => this.#send(address), 1000 / rate);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await sleep(6000);
    if (this.#down) this.#up();
  }

  #send(address: string): void {
    this.sent++;
    const outgoing = request({ host: address, port: 80, headers: { host }, agent: this.#agent, timeout: 5000 }, (incoming) => {
      incoming.resume();
      incoming.on('error', (error) => this.#failed(error.message));
      incoming.on('end', () => (incoming.statusCode === 200 ? this.#good() : this.#failed(`status ${incoming.statusCode}`)));
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 5 s')));
    outgoing.on('error', (error) => this.#failed(error.message));
    outgoing.end();
  }

  #good(): void {
    this.answered++;
    if (this.#down) this.#up();
  }

  #failed(first: string): void {
    this.#down ??= { since: Date.now(), failed: 0, first };
    this.#down.failed++;
  }

  #up(): void {
    const { since, failed, first } = this.#down!;
    this.outages.push({ at: new Date(since).toISOString(), seconds: (Date.now() - since) / 1000, failed, first });
    say(`outage of ${((Date.now() - since) / 1000).toFixed(1)} s: ${failed} failed, the first with: ${first}`);
    this.#down = undefined;
  }
}

const fingerprint = async (): Promise<string> => {
  const { data } = await get(ns, 'secret', 'frp-soak-tls');
  return new X509Certificate(Buffer.from(String(data['tls.crt']), 'base64')).fingerprint256;
};

async function renewals(address: string) {
  const certificates = new Set<string>();
  const load = new Load(address);
  for (const end = Date.now() + minutes * 60_000; Date.now() < end; await sleep(15_000)) {
    certificates.add(await fingerprint());
    say(`${load.answered} of ${load.sent} answered, ${certificates.size} client certificates so far`);
  }
  await load.end();
  const restarts = [...(await restarted(ns)), ...(await restarted(system))];
  return { minutes, sent: load.sent, answered: load.answered, certificates: certificates.size, outages: load.outages, restarts };
}

/** From `frp-k8s rotate ca` until its last phase has ended. */
async function rotation(address: string) {
  const load = new Load(address);
  const started = Date.now();
  await must('node', ['src/main.ts', 'rotate', 'ca', '--accept-outage'], { cwd: root });
  await sleep(30_000);
  for (let phase = 'asked for'; phase !== ''; await sleep(5000)) {
    const { stdout } = await tryKubectl(
      '-n',
      system,
      'get',
      'secret',
      'frp-ca',
      '-o',
      'jsonpath={.metadata.annotations.frp\\.io/rotation-phase}',
    );
    if (stdout !== phase) say(`rotation of the authority: ${stdout || 'over'}`);
    phase = stdout;
  }
  // The last restart of the frp server comes after the bundle has lost the old authority.
  await sleep(240_000);
  await load.end();
  const seconds = Math.round((Date.now() - started) / 1000);
  return { seconds, sent: load.sent, answered: load.answered, outages: load.outages, restarts: await restarted(ns) };
}

await installed();
// First, because a certificate keeps the life that it was issued with.
const restore = await withSettings({ certificates: { lifetime: '3m', renewBefore: '2m', rotationPause: pause } });
try {
  await apply(
    namespace(ns),
    httpService(ns, 'soak', host),
    deployment({ namespace: ns, name: 'soak', replicas: 2, frp: { group: 'soak' } }),
  );
  await rolledOut(ns, 'soak');
  await servedBy(host, 2);
  const address = String((await get(system, 'service', 'frp-server')).spec.clusterIP);
  const result = { rate, renewals: await renewals(address), rotation: await rotation(address) };
  mkdirSync(`${root}/artifacts`, { recursive: true });
  writeFileSync(`${root}/artifacts/soak-certificates.json`, `${JSON.stringify(result, undefined, 2)}\n`);
  say(JSON.stringify(result));
  const { outages, restarts, certificates } = result.renewals;
  // One is renewed after a third of its life, and a minute is for the spread.
  const isRenewed = certificates >= minutes / 2;
  if (outages.length > 0 || restarts.length > 0 || !isRenewed) process.exitCode = 1;
} finally {
  await restore();
  await kubectl('delete', 'namespace', ns, '--wait=false');
}
