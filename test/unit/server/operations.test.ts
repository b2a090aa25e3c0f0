import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WebhookMetrics } from '../../../src/webhook/server/metrics.ts';
import { createOperationsServer, type OperationsServer } from '../../../src/process/operations.ts';
import { Readiness } from '../../../src/process/readiness.ts';

let problem: string | undefined;
let server: OperationsServer;
let root: string;
before(async () => {
  const readiness = new Readiness();
  readiness.add('certificate', () => undefined);
  readiness.add('services', () => problem);
  server = createOperationsServer(readiness, new WebhookMetrics().registry);
  root = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
});
after(() => server.close());

describe('the plain port', () => {
  it('is ready when every check passes, and lists them', async () => {
    problem = undefined;
    const response = await fetch(`${root}/readyz?verbose`);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '[+]certificate ok\n[+]services ok\nreadyz check passed\n');
  });

  it('is not ready when one fails, and says why', async () => {
    problem = 'not listed yet';
    const response = await fetch(`${root}/readyz`);
    assert.equal(response.status, 503);
    assert.equal(await response.text(), '[+]certificate ok\n[-]services failed: not listed yet\nreadyz check failed\n');
  });

  it('is healthy though it is not ready', async () => {
    problem = 'not listed yet';
    assert.equal((await fetch(`${root}/healthz`)).status, 200);
  });

  it('has metrics of the process', async () => {
    const response = await fetch(`${root}/metrics`);
    assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (const name of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'process_start_time_seconds',
      'process_open_fds',
      'process_max_fds',
      'nodejs_eventloop_utilization',
    ]) {
      assert.match(text, new RegExp(`^${name} [0-9.e+]+$`, 'm'));
    }
  });

  it('serves nothing else', async () => {
    assert.equal((await fetch(`${root}/mutate/pods`)).status, 404);
  });
});
