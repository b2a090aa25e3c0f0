/** Networks without IPv4: the gateway is dialled by an IPv6 address, or by a name that has no other. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { eventually } from './eventually.ts';
import { certificate } from './certificates.ts';
import { HomeNetwork, noHomeNetwork } from './home-network.ts';
import { Machine, secure } from './up-harness.ts';

const [gateway, moved, home] = ['fd00:a::1', 'fd00:a::3', 'fd00:a::2'];
const name = 'gw6.example.com';
const host = 'web.example.com';

/** A user's request in the home network, as its own program. */
const request = `
const [host, address, port, way] = process.argv.slice(1);
const { request } = require(way);
const options = { host: address, port, family: 6, servername: host, headers: { host }, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
request(options, (answer) => { console.log(answer.statusCode); answer.pipe(process.stdout); })
  .on('error', (error) => console.log(error.message)).end();
`;

async function started(t: TestContext, address: string, ...words: string[]) {
  const network = new HomeNetwork(t, { outside: [`${gateway}/64`, `${moved}/64`], inside: [`${home}/64`] });
  network.name({ [name]: gateway });
  const machine = new Machine(address);
  t.after(() => machine.close());
  const { cert, key } = certificate(t, host);
  machine.write('web.yaml', secure('web', { cert, key }));
  await machine.started(...words);
  const output = (command: string, args: string[], options = {}) => {
    const said = { text: '' };
    const child = network.start(command, args, options);
    child.stdout!.on('data', (data: Buffer) => (said.text += data.toString()));
    t.after(() => child.kill('SIGKILL'));
    return said;
  };
  const get = async (port: number, way: 'http' | 'https'): Promise<string> => {
    const child = network.start(process.execPath, ['-e', request, host, gateway, `${port}`, way]);
    let text = '';
    for await (const chunk of child.stdout!) text += (chunk as Buffer).toString();
    return text;
  };
  /** frpc of the home network; its app is the test's own. */
  const client = async () => {
    // The app listens in this network, where the home network finds it by the cable.
    const { out } = await machine.app('web', 'laptop', (incoming, response) => response.end(incoming.headers['x-forwarded-for']), moved);
    return { out, said: output(process.env.FRPC!, ['-c', 'frpc.json'], { cwd: out }) };
  };
  const link = async () => {
    const token = await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', 'home');
    return output(process.execPath, [new URL('cluster-end.ts', import.meta.url).pathname, token.trim()]);
  };
  return { network, machine, get, client, link };
}

test('a gateway with an IPv6 address and no name serves tunnels, a link and users at one port', { skip: noHomeNetwork }, async (t) => {
  const { machine, get, client, link } = await started(t, gateway, '--tunnel-port', '8443');
  const { out, said } = await client();
  assert.match(readFileSync(join(out, 'frpc.json'), 'utf8'), /"serverAddr":"fd00:a::1","serverPort":8443/);
  await eventually('frpc has its tunnel', () => /start proxy success/.test(said.text));
  await eventually('users reach the app, which is told their address', async () => (await get(8443, 'https')) === `200\n${home}`);
  assert.equal(await get(8080, 'http'), `200\n${home}`);
  const cluster = await link();
  await eventually('the link is up', () => /^up at \[fd00:a::1\]:8443$/m.test(cluster.text));

  const fingerprint = createHash('sha256')
    .update(new X509Certificate(readFileSync(join(out, 'tls.crt'))).raw)
    .digest('hex');
  writeFileSync(join(machine.directory, 'revoked.json'), JSON.stringify({ [fingerprint]: '' }));
  await eventually('a certificate that is revoked has its tunnel ended', async () => (await get(8443, 'https')).startsWith('503'));
});

test('a name whose address changes is resolved anew for tunnel and link', { skip: noHomeNetwork }, async (t) => {
  const { network, get, client, link } = await started(t, name);
  const { said } = await client();
  const cluster = await link();
  await eventually('the link is up', () => /^up at gw6\.example\.com:7000$/m.test(cluster.text));
  await eventually('users reach the app', async () => (await get(8080, 'http')) === `200\n${home}`);

  network.name({ [name]: moved });
  network.lose(gateway);
  const began = performance.now();
  const after = (what: string) => t.diagnostic(`${what} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const back = async (what: string, isSo: () => boolean) => {
    await eventually(what, isSo);
    after(what);
  };
  await Promise.all([
    back('the link is back', () => (cluster.text.match(/^up at/gm) ?? []).length === 2),
    back('the tunnel is back', () => (said.text.match(/login to server success/g) ?? []).length === 2),
  ]);
  assert.match(cluster.text, /^down: .*\n.*up at/m);
});
