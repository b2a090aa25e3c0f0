import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { newCertificate, keepAlive, podReview, send, type ServiceConfig } from './harness.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'frp-k8s-serve-'));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const { certPem, keyPem, caPem } = await newCertificate();
const [certFile, keyFile, services] = ['tls.crt', 'tls.key', 'services.yaml'].map((name) => path.join(folder, name)) as [
  string,
  string,
  string,
];
writeFileSync(certFile, certPem);
writeFileSync(keyFile, keyPem);
writeFileSync(
  services,
  `apiVersion: frp.io/v1beta1
kind: DistributedService
metadata: { name: web, namespace: prod }
spec: { serviceType: tcp, backends: { discovery: { mode: selector, selector: { matchLabels: { app: web } }, port: 80 } }, expose: { type: port, port: 6000 } }
`,
);

interface Line {
  msg: string;
  port?: number;
  metricsPort?: number;
}

/** The real program. `line` resolves with the first line of its log whose message begins so. */
async function program(config: string) {
  const file = path.join(folder, `${children.length}.yaml`);
  writeFileSync(file, `host: 127.0.0.1\nport: 0\nmetricsPort: 0\n${config}`);
  const main = path.join(import.meta.dirname, '..', '..', '..', 'src', 'main.ts');
  const child = spawn(process.execPath, [main, 'serve', '--config', file, '--services', services], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, FRPK8S_TLS_CERT_FILE: certFile, FRPK8S_TLS_KEY_FILE: keyFile },
  });
  children.push(child);
  const lines: Line[] = [];
  const reader = createInterface(child.stdout);
  reader.on('line', (text) => lines.push(JSON.parse(text) as Line));
  const line = async (start: string): Promise<Line> => {
    for (;;) {
      const found = lines.find(({ msg }) => msg.startsWith(start));
      if (found) return found;
      await once(reader, 'line');
    }
  };
  const { port, metricsPort } = await line('serving admission reviews');
  return {
    child,
    lines,
    line,
    served: { port, ca: caPem } as ServiceConfig,
    operations: `http://127.0.0.1:${metricsPort}`,
    exit: once(child, 'close'),
  };
}

const pod = {
  metadata: { generateName: 'web-', annotations: { 'frp.io/group': 'web' } },
  spec: { containers: [{ name: 'app', image: 'app' }] },
};

describe('frp-k8s serve', () => {
  it('injects a sidecar, and after SIGTERM drains and ends well', async () => {
    const { child, lines, line, served, operations, exit } = await program('drainSeconds: 2\n');
    const agent = keepAlive(served);
    assert.equal((await fetch(`${operations}/readyz`)).status, 200);
    const before = await send(served, podReview({ object: pod }), { agent });
    assert.equal(before.json.response.patchType, 'JSONPatch');

    child.kill('SIGTERM');
    await line('draining for 2 s');
    const readyz = await fetch(`${operations}/readyz`);
    assert.equal(readyz.status, 503);
    assert.match(await readyz.text(), /^\[-\]phase failed: the program is stopping$/m);
    const during = await send(served, podReview({ object: pod }), { agent });
    assert.equal(during.json.response.patchType, 'JSONPatch');
    assert.equal(during.headers.connection, 'close');

    assert.deepEqual(await exit, [0, null]);
    assert.equal(lines.at(-1)!.msg, 'stopped');
    assert.equal(lines.filter(({ msg }) => msg.startsWith('injected')).length, 2);
  });

  it('without a cluster and without files says that files are the embedded default', async () => {
    const main = path.join(import.meta.dirname, '..', '..', '..', 'src', 'main.ts');
    const child = spawn(process.execPath, [main, 'serve'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, HOME: folder },
    });
    children.push(child);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    assert.deepEqual(await once(child, 'close'), [1, null]);
    assert.match(stderr, /no access to a cluster: .*set KUBECONFIG.*no cluster \(the embedded default\) say --services DIR\n$/);
  });

  it('ends at once on a second signal, with its log written', async () => {
    const { child, lines, line, exit } = await program('drainSeconds: 300\n');
    child.kill('SIGTERM');
    await line('draining for 300 s');
    child.kill('SIGINT');
    assert.deepEqual(await exit, [130, null]);
    assert.equal(lines.at(-1)!.msg, 'second signal: ending at once');
  });
});
