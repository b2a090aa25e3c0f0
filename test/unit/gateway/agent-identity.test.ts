import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { verifyToken, type TrustedCluster } from '../../../src/gateway/admission/pod-token.ts';
import { KeySource } from '../../../src/gateway/oidc/key-source.ts';
import { audience, issuer, Signer } from './agent-tokens.ts';

const pod = { namespace: 'shop', name: 'web-1', uid: '3f2a6c1e-0000-4000-8000-000000000001' };
let signer: Signer;
let other: Signer;
let alive: Set<string>;

function cluster(signedBy: Signer, overrides: Partial<TrustedCluster> = {}): TrustedCluster {
  const keys = new KeySource({ load: async () => signedBy.keys, onFailure: assert.fail });
  void keys.attempted.then(() => keys.close());
  return { name: '', issuer: () => issuer, keys, trusts: () => true, isAlive: async ({ uid }) => alive.has(uid), ...overrides };
}

const verified = (token: string, ...clusters: TrustedCluster[]) => verifyToken(token, clusters, audience);
async function reason(token: string, ...clusters: TrustedCluster[]): Promise<string> {
  const result = await verified(token, ...clusters);
  return result.ok ? 'accepted' : result.reason;
}

before(async () => {
  signer = await Signer.create();
  other = await Signer.create('key-2');
  alive = new Set([pod.uid]);
});

describe('the identity of a sidecar', () => {
  it('is the Pod that its token is bound to', async () => {
    assert.deepEqual(await verified(await signer.token(pod), cluster(signer)), {
      ok: true,
      identity: { cluster: '', namespace: 'shop', pod: 'web-1', uid: pod.uid },
    });
  });

  it('is refused without a token, and with what is no token', async () => {
    assert.equal(await reason('', cluster(signer)), 'NoToken');
    assert.equal(await reason('not.a.token', cluster(signer)), 'TokenInvalid');
    assert.equal(await reason('secret-of-a-plain-frps', cluster(signer)), 'TokenInvalid');
  });

  it('is refused for another audience, an expired token, another key and an unknown issuer', async () => {
    assert.equal(await reason(await signer.token(pod, { audience: 'https://kubernetes.default.svc' }), cluster(signer)), 'WrongAudience');
    assert.equal(await reason(await signer.token(pod, { expiresIn: -60 }), cluster(signer)), 'TokenExpired');
    assert.equal(await reason(await other.token(pod), cluster(signer)), 'TokenInvalid');
    assert.equal(await reason(await other.token(pod, { kid: 'key-1' }), cluster(signer)), 'TokenInvalid');
    assert.equal(await reason(await signer.token(pod, { issuer: 'https://evil.example' }), cluster(signer)), 'UnknownIssuer');
  });

  it('is refused where the token is not signed, or its algorithm is of another kind', async () => {
    const [, payload] = (await signer.token(pod)).split('.');
    const header = (alg: string) => Buffer.from(JSON.stringify({ alg, kid: 'key-1' })).toString('base64url');
    assert.equal(await reason(`${header('none')}.${payload}.`, cluster(signer)), 'TokenInvalid');
    assert.equal(await reason(`${header('HS256')}.${payload}.${payload}`, cluster(signer)), 'TokenInvalid');
  });

  it('is refused for a token that is bound to no Pod, or whose names are not those of Kubernetes', async () => {
    assert.equal(await reason(await signer.token(pod, { claims: {} }), cluster(signer)), 'NotAPod');
    assert.equal(await reason(await signer.token({ ...pod, namespace: 'a.b' }), cluster(signer)), 'NotAPod');
    assert.equal(await reason(await signer.token({ ...pod, name: 'web\n1' }), cluster(signer)), 'NotAPod');
  });

  it('is refused once the Pod is gone', async () => {
    assert.equal(await reason(await signer.token({ ...pod, uid: '3f2a6c1e-0000-4000-8000-00000000dead' }), cluster(signer)), 'PodGone');
  });

  it('is that of another cluster for the namespaces that it is trusted for, and no others', async () => {
    const edge = cluster(other, { name: 'edge', trusts: (namespace) => namespace === 'shop', isAlive: undefined });
    const result = await verified(await other.token(pod), cluster(signer), edge);
    assert.deepEqual(result.ok && result.identity.cluster, 'edge');
    assert.equal(await reason(await other.token({ ...pod, namespace: 'bank' }), cluster(signer), edge), 'NamespaceNotTrusted');
  });
});

describe('keys that are fetched', () => {
  it('are fetched again for a key that is not known, and not more often than allowed', async () => {
    let now = 0;
    let loads = 0;
    let set = signer.keys;
    const load = async () => {
      loads++;
      return set;
    };
    const keys = new KeySource({ load, clock: { now: () => now }, onFailure: assert.fail });
    const own = cluster(signer, { keys });
    try {
      assert.equal(await reason(await signer.token(pod), own), 'accepted');
      set = other.keys;
      const token = await other.token(pod);
      assert.equal(await reason(token, own), 'TokenInvalid');
      assert.equal(loads, 1);
      now = 10_000;
      assert.equal(await reason(token, own), 'accepted');
      assert.equal(loads, 2);
      assert.equal(await reason(await signer.token(pod), own), 'TokenInvalid', 'a key that was taken out is trusted no longer');
    } finally {
      await keys.close();
    }
  });

  it('stay where they cannot be fetched', async () => {
    let now = 0;
    let isBroken = false;
    const failures: string[] = [];
    const load = async () => {
      if (isBroken) throw new Error('no route to the API server');
      return signer.keys;
    };
    const keys = new KeySource({ load, clock: { now: () => now }, onFailure: (message) => failures.push(message) });
    const own = cluster(signer, { keys });
    try {
      await keys.attempted;
      isBroken = true;
      now = 60_000;
      assert.equal(await reason(await other.token(pod), own), 'TokenInvalid');
      assert.equal(await reason(await signer.token(pod), own), 'accepted');
      assert.deepEqual(failures, ['no route to the API server']);
    } finally {
      await keys.close();
    }
  });
});
