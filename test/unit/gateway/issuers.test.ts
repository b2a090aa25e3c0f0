import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createNetServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fetchJson } from '../../../src/gateway/oidc/fetch-json.ts';
import { Issuers } from '../../../src/gateway/oidc/issuers.ts';
import { logTo } from '../../../src/log.ts';
import { Signer } from './agent-tokens.ts';

const log = logTo({ write: () => {} });

describe("the keys of users' issuers", () => {
  let server: Server;
  let url: string;
  let documents: Record<string, unknown>;
  const here = { allow: ['127.0.0.1'], apiServer: [], allowHttp: true };
  beforeEach(async () => {
    documents = {};
    server = createServer((request, response) => {
      const document = documents[request.url!];
      if (document === undefined) response.writeHead(404).end();
      else if (typeof document === 'string') response.writeHead(302, { location: document }).end();
      else response.end(JSON.stringify(document));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  it('are found by discovery, as PEM, and only those that can verify', async () => {
    const signer = await Signer.create();
    documents['/.well-known/openid-configuration'] = { issuer: url, jwks_uri: `${url}/keys` };
    documents['/keys'] = { keys: [signer.jwk, { ...signer.jwk, use: 'enc' }, { kty: 'oct', k: 'AAAA' }, { ...signer.jwk, alg: 'HS256' }] };
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const reference = { issuer: url, jwksUrl: undefined, namespace: 'shop' };
    issuers.follow([reference]);
    assert.deepEqual(issuers.keysOf(reference), { problem: 'they are being fetched' });
    await issuers.attempted();
    const found = issuers.keysOf(reference);
    assert.ok('keys' in found);
    assert.equal(found.keys.length, 1);
    assert.equal(found.keys[0]!.alg, 'ES256');
    assert.match(found.keys[0]!.publicKeyPem, /^-----BEGIN PUBLIC KEY-----/);
    await issuers.close();
  });

  it('are those that are well-formed, whatever else the issuer sends', async () => {
    const { jwk } = await Signer.create();
    const odd = [
      { kid: 123 },
      { kid: null },
      { kid: {} },
      { crv: '__proto__' },
      { crv: 'toString' },
      { kty: 7 },
      { alg: [] },
      { x: 5 },
      { x: '' },
    ];
    documents['/keys'] = {
      keys: [...odd.map((fields) => ({ ...jwk, ...fields })), {}, { ...jwk, kid: 'good' }, { ...jwk, kid: undefined }],
    };
    documents['/none'] = { keys: [null, jwk] };
    documents['/many'] = { keys: Array.from({ length: 65 }, (_, index) => ({ ...jwk, kid: String(index) })) };
    documents['/nameless'] = { keys: Array.from({ length: 5 }, () => ({ ...jwk, kid: undefined })) };
    documents['/same'] = { keys: Array.from({ length: 5 }, () => ({ ...jwk, kid: 'a' })) };
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const references = ['keys', 'none', 'many', 'nameless', 'same'].map((path) => ({
      issuer: url,
      jwksUrl: `${url}/${path}`,
      namespace: 'shop',
    }));
    issuers.follow(references);
    await issuers.attempted();
    const [keys, none, many, nameless, same] = references.map((reference) => issuers.keysOf(reference));
    assert.deepEqual('keys' in keys! ? keys.keys.map(({ kid }) => kid) : keys, ['good', undefined]);
    assert.ok('problem' in none!);
    assert.deepEqual(many, { problem: 'there are 65 keys for signatures among them, above the limit of 64' });
    const remedy = 'among them, above the limit of 4; give each a kid of its own';
    assert.deepEqual(nameless, { problem: `there are 5 keys without a kid ${remedy}` });
    assert.deepEqual(same, { problem: `there are 5 keys of one kid ${remedy}` });
    await issuers.close();
  });

  it('are the same keys in whatever order the issuer sends them, and whatever else it says of them', async () => {
    const signers = await Promise.all([1, 2, 3].map(() => Signer.create()));
    const jwks = signers.map(({ jwk }, index) => ({ ...jwk, kid: index === 2 ? undefined : String(index) }));
    documents['/keys'] = { keys: jwks };
    documents['/again'] = { keys: jwks.toReversed().map((jwk) => ({ ...jwk, x5t: 'other' })), serial: 7 };
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const references = ['keys', 'again'].map((path) => ({ issuer: url, jwksUrl: `${url}/${path}`, namespace: 'shop' }));
    issuers.follow(references);
    await issuers.attempted();
    const [keys, again] = references.map((reference) => issuers.keysOf(reference));
    await issuers.close();
    assert.ok('keys' in keys! && keys.keys.length === 3);
    assert.deepEqual(again, keys);
  });

  it('are fetched over https alone, unless the installation allows http', async () => {
    documents['/keys'] = { keys: [(await Signer.create()).jwk] };
    const issuers = new Issuers({ rules: { ...here, allowHttp: false }, log, changed: () => {} });
    const reference = { issuer: url, jwksUrl: `${url}/keys`, namespace: 'shop' };
    issuers.follow([reference]);
    await issuers.attempted();
    const answer = issuers.keysOf(reference);
    assert.ok('problem' in answer);
    assert.match(answer.problem, /is no https URL/);
    await issuers.close();
  });

  it('of one namespace whose issuers do not answer do not hold up those of another', async () => {
    documents['/keys'] = { keys: [(await Signer.create()).jwk] };
    const sockets: Socket[] = [];
    const silent = createNetServer((socket) => void sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    let changed = () => {};
    const nobody = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const issuers = new Issuers({ rules: here, log, changed: () => changed() });
    const slow = Array.from({ length: 256 }, (_, index) => ({ issuer: nobody, jwksUrl: `${nobody}/${index}`, namespace: 'busy' }));
    issuers.follow(slow);
    const reference = { issuer: url, jwksUrl: `${url}/keys`, namespace: 'shop' };
    await new Promise<void>((resolve) => {
      changed = resolve;
      issuers.follow([...slow, reference]);
    });
    assert.ok('keys' in issuers.keysOf(reference));
    assert.ok(sockets.length > 0 && sockets.length < 10, 'none of theirs has been answered');
    issuers.follow([]);
    silent.close();
    for (const socket of sockets) socket.destroy();
  });

  it('are forgotten when no service names the issuer any more', async () => {
    documents['/keys'] = { keys: [(await Signer.create()).jwk] };
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const reference = { issuer: url, jwksUrl: `${url}/keys`, namespace: 'shop' };
    issuers.follow([reference]);
    await issuers.attempted();
    const known = issuers.keysOf(reference);
    issuers.follow([reference]);
    assert.equal(issuers.keysOf(reference), known, 'the same value as long as the keys are the same');
    issuers.follow([]);
    assert.deepEqual(issuers.keysOf(reference), { problem: 'they are being fetched' });
    await issuers.close();
  });

  it('are not taken from a discovery document of another issuer, nor by way of a redirect', async () => {
    documents['/.well-known/openid-configuration'] = { issuer: 'https://id.example', jwks_uri: `${url}/keys` };
    documents['/moved'] = `${url}/.well-known/openid-configuration`;
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const references = [undefined, `${url}/moved`].map((jwksUrl) => ({ issuer: url, jwksUrl, namespace: 'shop' }));
    issuers.follow(references);
    await issuers.attempted();
    assert.deepEqual(issuers.keysOf(references[0]!), { problem: 'its discovery document is of issuer "https://id.example"' });
    assert.deepEqual(issuers.keysOf(references[1]!), { problem: `${url}/moved answered HTTP status 302` });
    await issuers.close();
  });

  it('are never asked for at loopback, link-local or API server addresses, by name or by number', async () => {
    const rules = { allow: [], apiServer: ['10.96.0.1'], allowHttp: true };
    for (const address of [
      url,
      'http://169.254.169.254/latest',
      'http://[::1]/',
      'http://2130706433/',
      'http://localhost/',
      'https://10.96.0.1/',
      'file:///etc/passwd',
      'x',
    ])
      await assert.rejects(fetchJson(address, rules), / (is|resolves) /, address);
  });
});
