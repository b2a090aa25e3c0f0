/** Whose a key of tokens is where several replicas of a gateway are told of it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import type { JSONWebKeySet } from 'jose';
import { KeyOwners } from '../../../src/gateway/links/key-owners.ts';
import { kubeKeyOwners } from '../../../src/gateway/links/key-owners-stores.ts';
import { LinkSecrets } from '../../../src/gateway/links/link-secrets.ts';
import { until } from '../../support/until.ts';
import { ApiServer, failure } from '../kube/api-server.ts';
import { quiet } from './joined.ts';

const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-owners-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;

const key = (kid: string): JSONWebKeySet => ({
  keys: [{ kty: 'EC', crv: 'P-256', kid, x: Buffer.from(kid).toString('base64url'), y: 'AQ' }],
});

describe('a key of tokens', () => {
  async function start(t: TestContext) {
    const api = await ApiServer.start();
    t.after(() => api.close());
    const replica = async () => {
      const secrets = new LinkSecrets({ client: api.client, namespace: 'frp-gateway' });
      await secrets.follow(join(directory, `${++files}`), quiet);
      t.after(() => secrets.close());
      let changes = 0;
      const owners = new KeyOwners(kubeKeyOwners(secrets), () => changes++);
      return { owners, changes: () => changes };
    };
    return { api, replica };
  }

  it('is of one cluster at all replicas, although each of two was told it by another cluster first', async (t) => {
    const { replica } = await start(t);
    const [one, other] = [await replica(), await replica()];
    assert.equal(one.owners.claim('home', key('a')), undefined);
    assert.equal(other.owners.claim('thief', key('a')), undefined);
    await Promise.all([one.owners.saved, other.owners.saved]);
    const answers = () => [one, other].map(({ owners }) => [owners.claim('home', key('a')), owners.claim('thief', key('a'))].join());
    await until(() => new Set(answers()).size === 1);
    assert.ok(['a,', ',a'].includes(answers()[0]!), answers()[0]);
    assert.equal(one.changes() + other.changes() > 0, true);
  });

  it('stays that of the cluster that had it when a replica starts anew, and goes to another when it was released', async (t) => {
    const { replica } = await start(t);
    const first = await replica();
    first.owners.claim('home', key('a'));
    await first.owners.saved;
    const later = await replica();
    assert.equal(later.owners.claim('thief', key('a')), 'a');
    first.owners.release('home');
    await first.owners.saved;
    await until(() => later.owners.claim('thief', key('a')) === undefined);
    await later.owners.saved;
    assert.equal((await replica()).owners.claim('home', key('a')), 'a');
  });

  it('is kept as soon as the API server is back', async (t) => {
    const { api, replica } = await start(t);
    const first = await replica();
    api.intercept = () => failure(503, 'ServiceUnavailable', 'away');
    first.owners.claim('home', key('a'));
    await assert.rejects(first.owners.saved, /away/);
    assert.equal(first.owners.claim('thief', key('a')), 'a');
    api.intercept = () => undefined;
    await first.owners.settle();
    assert.equal((await replica()).owners.claim('thief', key('a')), 'a');
  });
});
