/** The program itself as a process, asked as the API server asks it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { keepAlive, podReview, send } from './harness.ts';
import { main, Programs } from './programs.ts';

const programs = await Programs.create(`apiVersion: frp.io/v1beta1
kind: DistributedService
metadata: { name: web, namespace: prod }
spec: { serviceType: tcp, backends: { discovery: { mode: selector, selector: { matchLabels: { app: web } }, port: 80 } }, expose: { type: port, port: 6000 } }
`);
after(() => programs.close());

const pod = {
  metadata: { generateName: 'web-', annotations: { 'frp.io/group': 'web' } },
  spec: { containers: [{ name: 'app', image: 'app' }] },
};

describe('frp-k8s serve', () => {
  it('injects a sidecar, and after SIGTERM drains and ends well', async () => {
    const { child, lines, line, served, operations, exit } = await programs.serve('drainSeconds: 2\n');
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
    const child = spawn(process.execPath, [main, 'serve'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, HOME: programs.folder },
    });
    programs.owns(child);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    assert.deepEqual(await once(child, 'close'), [1, null]);
    assert.match(stderr, /no access to a cluster: .*set KUBECONFIG.*no cluster \(the embedded default\) say --services DIR\n$/);
  });

  it('ends at once on a second signal, with its log written', async () => {
    const { child, lines, line, exit } = await programs.serve('drainSeconds: 300\n');
    child.kill('SIGTERM');
    await line('draining for 300 s');
    child.kill('SIGINT');
    assert.deepEqual(await exit, [130, null]);
    assert.equal(lines.at(-1)!.msg, 'second signal: ending at once');
  });
});
