import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, createServer } from 'node:tls';
import '../../support/few-keys.ts';
import { filesSource } from '../../../certs/files.ts';
import { chainsTo, endOfChain, inspectCertificate, splitBundle } from '../../../certs/inspect.ts';
import { makeChain, type Chain } from '../../support/chain.ts';
import { FakeClock } from './fake-clock.ts';

let chain: Chain;
before(() => {
  chain = makeChain('serverAuth');
});

describe('a certificate below intermediates', () => {
  const isTrusted = (given: string[], bundle: string[]) => chainsTo(given.join(''), bundle.join(''));

  it('leads to the root by way of those that come with it, in whatever order', () => {
    const { edge, lower, upper, root } = chain;
    assert.equal(isTrusted([edge.certPem, lower, upper], [root]), true);
    assert.equal(isTrusted([edge.certPem, upper, lower], [root]), true);
    assert.equal(isTrusted([edge.certPem, lower, upper, root], [root]), true);
    assert.equal(isTrusted([edge.certPem, lower], [upper]), true);
    assert.equal(isTrusted([edge.certPem], [root, lower]), true);
  });

  it('leads nowhere where a link is missing', () => {
    const { edge, lower, upper, root } = chain;
    assert.equal(isTrusted([edge.certPem], [root]), false);
    assert.equal(isTrusted([edge.certPem, lower], [root]), false);
    assert.equal(isTrusted([edge.certPem, upper], [root]), false);
    assert.equal(isTrusted([], [root]), false);
    assert.equal(isTrusted([edge.certPem, lower, upper], []), false);
  });

  it('leads nowhere by way of a certificate that is no authority', () => {
    const { byLeaf, edge, lower, upper, root } = chain;
    assert.equal(isTrusted([byLeaf, edge.certPem, lower, upper], [root]), false);
  });

  it('ends when the first of its chain ends', () => {
    const { edge, lowerExpired } = chain;
    assert.equal(endOfChain(edge.certPem + lowerExpired), inspectCertificate(lowerExpired).notAfter);
  });
});

describe('files with intermediates', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'frp-k8s-chain-'))));
  after(() => rm(folder, { recursive: true }));
  const write = async (...chainOf: string[]) => {
    const [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    await Promise.all([writeFile(certFile, chainOf.join('')), writeFile(keyFile, chain.edge.keyPem)]);
    return { certFile, keyFile };
  };

  it('are served whole, so that a client that trusts the root alone connects', async () => {
    const source = await filesSource(await write(chain.edge.certPem, chain.lower, chain.upper));
    const { certPem: cert, keyPem: key } = source.current();
    source.close();
    const server = createServer({ cert, key }, (socket) => socket.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, ca: chain.root, servername: 'frp-webhook.frp-system.svc' });
    await once(socket, 'secureConnect');
    assert.equal(socket.authorized, true);
    socket.destroy();
    server.close();
  });

  it('are refused where an intermediate has expired, and the old ones stay in use', async () => {
    const clock = new FakeClock();
    const refused: string[] = [];
    const files = await write(chain.edge.certPem, chain.lower, chain.upper);
    const source = await filesSource({ ...files, clock, onRefused: (message) => refused.push(message) });
    const first = source.current().certPem;
    await write(chain.edge.certPem, chain.lowerExpired, chain.upper);
    await source.poll();
    source.close();
    assert.equal(source.current().certPem, first);
    assert.match(refused[0] ?? '', /the old one stays in use: the intermediate lower expired at /);
  });
});

describe('text that is made to cost time', () => {
  it('is no certificate: thousands of beginnings without an end', () => {
    assert.deepEqual(splitBundle('-----BEGIN CERTIFICATE-----\n'.repeat(40_000)), []);
  });

  it('makes no chain: more intermediates than any authority uses', () => {
    const { edge, lower, upper, root } = chain;
    const many = Array.from({ length: 11 }, () => lower);
    assert.equal(chainsTo([edge.certPem, ...many, upper].join(''), root), false);
  });
});
