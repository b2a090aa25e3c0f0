/** Pods of a cluster that has joined, at the agent between a real frps, real frpc processes and two real HAProxies. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { service } from '../support/services.ts';
import { Signer } from '../unit/gateway/agent-tokens.ts';
import { Gateway, type Sidecar } from './agent-harness.ts';
import { eventually } from './eventually.ts';

const issuer = 'https://edge.example.com';
const pod = (end: number, namespace = 'shop') => ({
  namespace,
  name: `edge-${end}`,
  uid: `7b2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`,
});
type Options = NonNullable<Parameters<Gateway['sidecar']>[3]>;

describe('Pods of a cluster that has joined', { timeout: 175_000 }, () => {
  let gateway: Gateway;
  /** Its key has the same id as the one of the gateway's own cluster. */
  let edge: Signer;
  const keysOf = (...signers: Signer[]) => ({
    kind: 'keys',
    key: 'tokens',
    value: { issuer, keys: signers.flatMap(({ keys }) => keys.keys) as never },
  });

  before(async () => {
    edge = await Signer.create();
    gateway = await Gateway.start({}, (starting) => starting.joins('edge', { namespaces: ['shop'] }, keysOf(edge)));
    gateway.putService(service('web'));
    gateway.putService(service('web', { expose: { type: 'domain', domain: 'bank.example.com' } }, 'bank'));
  });
  after(() => gateway?.close());

  /** There is no such Pod in the cluster of the gateway. */
  async function dials(end: number, options: Options = {}, namespace?: string): Promise<Sidecar> {
    const { port } = await gateway.app(`edge ${end}`);
    const { namespace: of, name, uid } = pod(end);
    gateway.tells('edge', { kind: 'pod', key: uid, value: { namespace: of, name, isReady: true, ip: '10.1.1.1', ports: { web: port } } });
    return gateway.sidecar(pod(end, namespace), 'web', port, { signer: edge, token: { issuer }, ...options });
  }
  const answers = (text: string) => eventually(`${text} answers`, async () => (await gateway.request('web.example.com')).body === text);

  async function isRefused(reason: string, sidecar: Sidecar): Promise<void> {
    await eventually(`the sidecar is told ${reason}`, () => sidecar.log().includes(`${reason}: `));
    assert.ok(gateway.lines.some((line) => line.event === 'refusal' && line.reason === reason));
    sidecar.process.kill('SIGKILL');
  }

  it('join services of the namespaces that their cluster has a grant for', async () => {
    await dials(1);
    await answers('edge 1');
    await gateway.kill('frpc edge-1');
  });

  it('are told where their cluster has no grant for the namespace', async () => {
    await isRefused('NamespaceNotTrusted', await dials(2, {}, 'bank'));
    assert.equal((await gateway.request('bank.example.com')).status, 503);
  });

  it('cannot speak for another cluster: neither with its issuer, nor with its keys', async () => {
    await isRefused('TokenInvalid', await dials(3, { token: {} }));
    await isRefused('TokenInvalid', await dials(4, { signer: gateway.signer }));
    await isRefused('UnknownIssuer', await dials(5, { token: { issuer: 'https://other.example.com' } }));
    const stranger = await Signer.create();
    await isRefused('TokenInvalid', await dials(6, { signer: stranger }));
  });

  it('are not asked for in the cluster of the gateway, whose own Pods are', async () => {
    await isRefused('PodGone', await dials(7, { signer: gateway.signer, token: {} }));
    gateway.putPod(pod(8));
    await dials(8, { signer: gateway.signer, token: {} });
    await answers('edge 8');
    await gateway.kill('frpc edge-8');
  });

  it('go by the keys that their cluster tells now', async () => {
    const next = await Signer.create('key-2');
    gateway.tells('edge', keysOf(next));
    await dials(9, { signer: next });
    await answers('edge 9');
    await eventually('the key of before is trusted no longer', async () => {
      const sidecar = await dials(10);
      const isOver = await eventually('it is told', () => /TokenInvalid: |start proxy success/.exec(sidecar.log())?.[0]);
      await gateway.kill('frpc edge-10');
      return isOver.startsWith('TokenInvalid');
    });
  });
});
