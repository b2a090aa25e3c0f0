import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { after, describe, it } from 'node:test';
import { inspectCertificate } from '../../../certs/inspect.ts';
import type { Decision } from '../../../webhooks/review/types.ts';
import { allow, keepAlive, latch, newCertificate, podReview, send, serving, type ServiceConfig } from './harness.ts';

const servers: ServiceConfig[] = [];
after(() => Promise.all(servers.map((served) => served.close(0))));

async function started(decide: () => Decision | Promise<Decision> = () => allow): Promise<ServiceConfig> {
  const served = await serving(decide);
  servers.push(served);
  return served;
}

describe('connections', () => {
  it('stay open longer than the API server keeps idle ones, 90 s', async () => {
    const served = await started();
    const agent = keepAlive(served);
    const answers = [await send(served, podReview(), { agent }), await send(served, podReview(), { agent })];
    assert.equal(answers[0]!.localPort, answers[1]!.localPort);
    assert.ok(Number(/timeout=(\d+)/.exec(String(answers[0]!.headers['keep-alive']))![1]) > 90);
    agent.destroy();
  });

  it('need TLS 1.2', async () => {
    const served = await started();
    const old = connect({
      host: '127.0.0.1',
      port: served.port,
      ca: served.ca,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });
});

describe('a drain', () => {
  it('answers reviews and sends their connections elsewhere', async () => {
    const served = await started();
    const agent = keepAlive(served);
    const before = await send(served, podReview(), { agent });
    served.drain();
    const during = await send(served, podReview(), { agent });
    assert.equal(before.headers.connection, 'keep-alive');
    assert.equal(during.headers.connection, 'close');
    assert.equal(during.json.response.allowed, true);
    assert.equal(during.localPort, before.localPort);
    assert.equal((await send(served, podReview())).status, 200);
    agent.destroy();
  });
});

describe('the end of the server', () => {
  it('waits for reviews under way, and takes no new ones', async () => {
    const asked = latch();
    const decision = latch<Decision>();
    const served = await started(() => (asked.open(), decision.promise));
    const answer = send(served, podReview());
    await asked.promise;
    let closed = false;
    const end = served.close(60_000).then(() => (closed = true));
    await assert.rejects(send(served, podReview()), { code: 'ECONNREFUSED' });
    assert.equal(closed, false);
    decision.open(allow);
    assert.equal((await answer).json.response.allowed, true);
    await end;
  });

  it('does not wait for idle connections', async () => {
    const served = await started();
    const agent = keepAlive(served);
    await send(served, podReview(), { agent });
    await served.close(60_000);
    agent.destroy();
  });

  it('gives up on a review that does not end', async () => {
    const asked = latch();
    const served = await started(() => (asked.open(), new Promise(() => {})));
    const answer = send(served, podReview());
    const failed = assert.rejects(answer, { code: 'ECONNRESET' });
    await asked.promise;
    await served.close(1);
    await failed;
  });
});

describe('the serving certificate', () => {
  it('is swapped while connections stay up', async () => {
    const served = await started();
    const agent = keepAlive(served);
    const before = await send(served, podReview(), { agent });
    const next = await newCertificate('renewed', 3_600_000);
    served.renew(next);
    const same = await send(served, podReview(), { agent });
    const fresh = await send(served, podReview());
    assert.equal(before.servedBy, 'webhook');
    assert.equal(same.localPort, before.localPort);
    assert.equal(fresh.servedBy, 'renewed');
    assert.match(
      await served.metrics.registry.metrics(),
      new RegExp(`^frp_webhook_certificate_expiry_timestamp_seconds ${inspectCertificate(next.certPem).notAfter / 1000}$`, 'm'),
    );
    agent.destroy();
  });

  it('is swapped while a review is being answered', async () => {
    const asked = latch();
    const decision = latch<Decision>();
    const served = await started(() => (asked.open(), decision.promise));
    const answer = send(served, podReview());
    await asked.promise;
    served.renew(await newCertificate('renewed'));
    decision.open(allow);
    assert.equal((await answer).status, 200);
  });

  it('stays when the new one has the key of another', async () => {
    const served = await started();
    const [one, other] = [await newCertificate('renewed'), await newCertificate('renewed')];
    served.renew({ ...one, keyPem: other.keyPem });
    assert.equal((await send(served, podReview())).servedBy, 'webhook');
    const [line] = served.lines().filter(({ level }) => level === 'error');
    assert.equal(line!.msg, 'new serving certificate refused; the previous one stays in use');
    assert.match((line!.err as { message: string }).message, /the private key does not belong to the certificate/);
  });
});
