/**
 * Load through the frp server while certificates are renewed, then its own, then while the authority is replaced. It runs in the
 * cluster's network (test/soak/run); what failed is told as outages: from the first failed request to the next good one.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fingerprint, servedAt } from '../cluster/support/certificates.ts';
import { installed, root, system } from '../cluster/support/cluster.ts';
import { apply, get, kubectl, rolledOut, tryKubectl } from '../cluster/support/kubectl.ts';
import { deployment, httpService, namespace } from '../cluster/support/objects.ts';
import { Load } from '../cluster/support/load.ts';
import { eventually, must } from '../cluster/support/run.ts';
import { restarted, withSettings } from '../cluster/support/settings.ts';
import { servedBy } from '../cluster/support/traffic.ts';

const minutes = Number(process.env.SOAK_MINUTES ?? 15);
const rate = Number(process.env.SOAK_RATE ?? 50);
/** of each phase of the rotation; longer than the three minutes that the frp server may take to restart */
const pause = process.env.SOAK_PAUSE ?? '5m';
/** renewals: of client and webhook certificates; server: of the frp server's own; rotation: of the authority */
const parts = (process.env.SOAK_PARTS ?? 'renewals,server,rotation').split(',');
const ns = 'soak-certificates';
const host = 'soak.example.com';
const say = (text: string): void => console.log(`${new Date().toISOString()} ${text}`);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function renewals(address: string) {
  const certificates = new Set<string>();
  const load = new Load(address, host, rate, say);
  for (const end = Date.now() + minutes * 60_000; Date.now() < end; await sleep(15_000)) {
    certificates.add(await fingerprint(ns, 'frp-soak-tls'));
    say(`${load.answered} of ${load.sent} answered, ${certificates.size} client certificates so far`);
  }
  await load.end();
  const restarts = [...(await restarted(ns)), ...(await restarted(system))];
  return { minutes, sent: load.sent, answered: load.answered, certificates: certificates.size, outages: load.outages, restarts };
}

/** From `frp-k8s rotate ca` until its last phase has ended. */
async function rotation(address: string) {
  const load = new Load(address, host, rate, say);
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

interface Result {
  rate: number;
  renewals?: Awaited<ReturnType<typeof renewals>>;
  server?: Awaited<ReturnType<typeof server>>;
  rotation?: Awaited<ReturnType<typeof rotation>>;
}

/** The frp server's own certificate, with a short life: from the change to it until it has been renewed once. */
async function server(address: string) {
  const load = new Load(address, host, rate, say);
  const started = Date.now();
  const taken = async (previous: string): Promise<string> => {
    const next = await eventually(
      'a certificate that is not the one of before',
      async () => {
        const stored = await fingerprint(system, 'frp-server-tls');
        if (stored === previous) throw new Error('still the same');
        return stored;
      },
      900,
    );
    say(`the frp server has a new certificate in its Secret, ${Math.round((Date.now() - started) / 1000)} s after the start`);
    await eventually(
      'the certificate at the frp server',
      async () => {
        if ((await servedAt(address, 7000)) !== next) throw new Error('still the one of before');
      },
      300,
    );
    say('the frp server presents it');
    await servedBy(host, 2);
    return next;
  };
  const before = await fingerprint(system, 'frp-server-tls');
  await kubectl('-n', system, 'delete', 'secret', 'frp-server-tls');
  const first = await taken(before);
  await taken(first);
  await load.end();
  const seconds = Math.round((Date.now() - started) / 1000);
  return { seconds, sent: load.sent, answered: load.answered, outages: load.outages, restarts: await restarted(ns) };
}

await installed();
// First, because a certificate keeps the life that it was issued with.
const short = { lifetime: '3m', renewBefore: '2m', rotationPause: pause };
const restore = await withSettings({ certificates: short });
try {
  await apply(
    namespace(ns),
    httpService(ns, 'soak', host),
    deployment({ namespace: ns, name: 'soak', replicas: 2, frp: { group: 'soak' } }),
  );
  await rolledOut(ns, 'soak');
  await servedBy(host, 2);
  const address = String((await get(system, 'service', 'frp-server')).spec.clusterIP);
  const result: Result = { rate };
  if (parts.includes('renewals')) result.renewals = await renewals(address);
  if (parts.includes('rotation')) result.rotation = await rotation(address);
  if (parts.includes('server')) {
    await withSettings({ certificates: { ...short, serverLifetime: '12m' } });
    result.server = await server(address);
  }
  mkdirSync(`${root}/artifacts`, { recursive: true });
  writeFileSync(`${root}/artifacts/soak-certificates.json`, `${JSON.stringify(result, undefined, 2)}\n`);
  say(JSON.stringify(result));
  const { outages, restarts, certificates } = result.renewals ?? { outages: [], restarts: [], certificates: Infinity };
  // One is renewed after a third of its life, and a minute is for the spread.
  const isRenewed = certificates >= minutes / 2;
  if (outages.length > 0 || restarts.length > 0 || !isRenewed) process.exitCode = 1;
} finally {
  await restore();
  // With its whole life again.
  await kubectl('-n', system, 'delete', 'secret', 'frp-server-tls');
  await kubectl('delete', 'namespace', ns, '--wait=false');
}
