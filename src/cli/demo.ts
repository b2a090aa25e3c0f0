/** `npm run demo`: the HTTPS server on the embedded default, real AdmissionReviews, and what came of them. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PatchOperation } from '../model/json-patch.ts';
import { defaultConfig } from '../config/schema.ts';
import { createLog } from '../log.ts';
import { startServe, type Running } from '../webhook/run.ts';
import { pod, service, wrongPod, wrongService } from './demo-objects.ts';
import { diffLines } from './diff.ts';
import { toYaml } from '../manifests/yaml.ts';
import { apply } from './rewrite.ts';

export const help = `frp-k8s demo: start the webhook server without a cluster, send it reviews as a Kubernetes API server would,
and show what happened: a sidecar, a defaulted object, two refusals, timings

usage: frp-k8s demo
`;

const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code: number, text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
const say = (text = '') => process.stdout.write(`${text}\n`);
const title = (text: string) => say(`\n${paint(1, text)}`);

export async function run(): Promise<number> {
  const directory = mkdtempSync(path.join(tmpdir(), 'frp-k8s-demo-'));
  writeFileSync(path.join(directory, 'service.yaml'), toYaml(service));
  const config = { ...defaultConfig, host: '127.0.0.1', port: 0, metricsPort: 0, servicesDir: directory };
  const running = await startServe(config, createLog('warn'));
  const agent = new Agent({ keepAlive: true, ca: running.caPem });
  try {
    await show(running, agent);
  } finally {
    agent.destroy();
    await running.close(0);
    rmSync(directory, { recursive: true });
  }
  return 0;
}

async function show({ port }: Running, agent: Agent): Promise<void> {
  const review = (url: string, object: Reviewed) => send(agent, port, url, object);
  title('1. The webhook server');
  say(`https://127.0.0.1:${port}, with a certificate made just now and services from files: no cluster is involved.`);
  say('Each review below is what a Kubernetes API server sends when somebody runs kubectl apply.');

  title('2. A DistributedService is defaulted:  POST /mutate/distributedservices');
  const defaulted = await review('/mutate/distributedservices', service);
  showDiff(service, defaulted.patch);

  title('3. A wrong DistributedService is refused:  POST /validate/distributedservices');
  say(toYaml({ spec: wrongService.spec }).trimEnd());
  showDenial(await review('/validate/distributedservices', wrongService));

  title('4. A Pod with the annotation frp.io/group gets its frpc sidecar:  POST /mutate/pods');
  const injected = await review('/mutate/pods', pod);
  showDiff(pod, injected.patch);

  title('5. A Pod that names a group which does not exist is refused');
  say(`frp.io/group: ${wrongPod.metadata.annotations['frp.io/group']}`);
  showDenial(await review('/mutate/pods', wrongPod));

  title('6. Timings');
  const times: number[] = [];
  for (let i = 0; i < 500; i++) times.push((await review('/mutate/pods', pod)).ms);
  times.sort((a, b) => a - b);
  say(
    `${times.length} reviews of that Pod, one after the other, over TLS: median ${times[250]!.toFixed(2)} ms, slowest of 99 in 100 ${times[495]!.toFixed(2)} ms.`,
  );
  say(`The first review of all took ${defaulted.ms.toFixed(1)} ms, with the TLS handshake.`);
  title('Next:  frp-k8s inject --help, and docs/guide/install.md for a cluster.');
}

interface Reviewed {
  apiVersion: string;
  kind: string;
  metadata: { namespace: string };
}
interface Answer {
  allowed: boolean;
  message: string;
  warnings: string[];
  patch: PatchOperation[];
  ms: number;
}

async function send(agent: Agent, port: number, url: string, object: Reviewed): Promise<Answer> {
  const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion];
  const kind = { group, version, kind: object.kind };
  const resource = { group, version, resource: `${object.kind.toLowerCase()}s` };
  const uid = randomUUID();
  const body = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      kind,
      resource,
      namespace: object.metadata.namespace,
      operation: 'CREATE',
      userInfo: { username: 'demo' },
      object,
      oldObject: null,
      dryRun: false,
    },
  });
  const begin = performance.now();
  const text = await new Promise<string>((resolve, reject) => {
    const call = request(
      { agent, host: '127.0.0.1', port, path: `${url}?timeout=10s`, method: 'POST', headers: { 'content-type': 'application/json' } },
      (response) => {
        response.setEncoding('utf8');
        let received = '';
        response.on('data', (chunk: string) => (received += chunk));
        response.on('end', () => resolve(received));
      },
    );
    call.on('error', reject);
    call.end(body);
  });
  const ms = performance.now() - begin;
  const { response } = JSON.parse(text) as {
    response: { uid: string; allowed: boolean; status?: { message?: string }; warnings?: string[]; patch?: string };
  };
  const patch = response.patch === undefined ? [] : (JSON.parse(Buffer.from(response.patch, 'base64').toString()) as PatchOperation[]);
  return { allowed: response.allowed, message: response.status?.message ?? '', warnings: response.warnings ?? [], patch, ms };
}

function showDiff(object: unknown, patch: readonly PatchOperation[]): void {
  for (const { sign, text } of diffLines(toYaml(object).trimEnd(), toYaml(apply(object, patch)).trimEnd())) {
    const line = `${sign} ${text}`;
    say(sign === '+' ? paint(32, line) : sign === '-' ? paint(31, line) : line);
  }
}

function showDenial({ message }: Answer): void {
  say(paint(31, 'Error from server (Forbidden): admission webhook denied the request:'));
  say(paint(31, message));
}
