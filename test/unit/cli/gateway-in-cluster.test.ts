/** The commands of a gateway in a cluster, by kubeconfig: its replicas here, and a cluster that joins them, over real sockets. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isSignedBy, splitBundle } from '../../../certs/inspect.ts';
import { run as clusters } from '../../../src/cli/gateway-clusters.ts';
import { run as token } from '../../../src/cli/gateway-token.ts';
import { run as rotate } from '../../../src/cli/rotate.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { KubeLinkStore } from '../../../src/gateway/links/kube-link-store.ts';
import { followAuthority, openLinkHome } from '../../../src/gateway/links/link-home.ts';
import { LinkSecrets } from '../../../src/gateway/links/link-secrets.ts';
import { withTold } from '../../../src/controller/link/link-secret.ts';
import { downKinds } from '../../../src/link/items.ts';
import { parseToken, pinOf } from '../../../src/link/token.ts';
import { inProcess } from '../../support/command.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from '../kube/api-server.ts';
import { joinAs, quiet, startCluster, startGateway, type TestGateway } from '../link/joined.ts';

describe('the commands of a gateway in a cluster', { timeout: 100_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'frp-k8s-in-cluster-'));
  const kubeconfig = join(folder, 'kubeconfig');
  let api: ApiServer;
  let gateway: TestGateway;
  let secrets: LinkSecrets;
  const create = (...args: string[]) => inProcess(token, ['create', '--kubeconfig', kubeconfig, '--cluster', 'branch', ...args]);
  const list = (...args: string[]) => inProcess(clusters, ['--kubeconfig', kubeconfig, ...args]);

  before(async () => {
    api = await ApiServer.start();
    writeFileSync(kubeconfig, api.kubeconfig);
    secrets = new LinkSecrets({ client: api.client, namespace: 'frp-gateway' });
  });
  after(async () => {
    await gateway.close();
    await secrets.close();
    api.close();
    rmSync(folder, { recursive: true });
  });

  it('say of a namespace without a gateway that none is there, and make nothing in it', async () => {
    for (const done of [await create(), await list(), await list('remove', 'branch')]) {
      assert.deepEqual([done.code, done.stdout], [1, '']);
      assert.match(
        done.stderr,
        /namespace frp-gateway of the cluster at https:.* has no gateway that takes joins: say another one with -n, or --dir/,
      );
    }
    assert.deepEqual(
      [...api.objects.keys()].filter((path) => path.includes('/secrets/')),
      [],
    );
  });

  it('make a token with which a cluster joins its replicas, list the cluster, and remove it', async () => {
    await secrets.follow(join(folder, 'secrets.jsonl'), quiet);
    const addresses: string[] = [];
    const config = configSchema.parse({});
    const home = (await openLinkHome(secrets, { config, log: quiet }))!;
    const authority = followAuthority(secrets, home.authority, quiet);
    const directory = join(folder, 'replica');
    gateway = await startGateway({ store: new KubeLinkStore(secrets, 'frp-gateway-0'), authority, addresses, directory });
    await openLinkHome(secrets, { config: configSchema.parse({ gateway: { addresses } }), log: quiet });

    const { code, stdout, stderr } = await create('--namespaces', 'shop');
    assert.deepEqual([code, stderr], [0, 'token for cluster branch (namespaces shop; any host; any port), to be used once within 15m:\n']);
    const { addresses: dialled, pin } = parseToken(stdout.trim());
    assert.deepEqual([dialled, pin], [addresses, pinOf(authority().certPem)]);
    assert.ok(!JSON.stringify([...api.objects.values()]).includes(stdout.trim()));

    const cluster = await joinAs(stdout.trim());
    assert.equal(cluster.cluster, 'branch');
    assert.match((await list()).stdout, /^CLUSTER .*\nbranch +never seen +0 +0 +.* left +namespaces shop; any host; any port\n$/);

    assert.equal((await list('remove', 'branch')).stdout, 'cluster branch is removed\n');
    await until(() => [...api.objects.keys()].every((path) => !path.endsWith('/frp-cluster-branch')));
    const none = await list();
    assert.deepEqual([none.code, none.stdout], [0, '']);
    assert.match((await list('remove', 'branch')).stderr, /no cluster branch has joined this gateway/);
  });

  it('replace the authority of its links step by step: a cluster that follows can dial after each, and no step cuts one off unasked', async (t) => {
    let identity = await joinAs((await create()).stdout.trim());
    const [first] = splitBundle(identity.authorityPem) as [string];
    // What the controller does with a link (src/controller/link): it keeps what the gateway says of itself, and what it renews.
    const cluster = startCluster(identity, { identity: () => identity, renewed: async (next) => void (identity = next) });
    const follow = setInterval(() => {
      const said = cluster.end.inbox.collection.get({ kind: 'gateway', key: 'gateway' });
      const next = said && withTold(identity, downKinds.gateway.parse(said.value));
      if (!next) return;
      identity = next;
      cluster.link.wake();
    }, 20);
    t.after(async () => {
      clearInterval(follow);
      await cluster.close();
    });
    const step = (...flags: string[]) => inProcess(rotate, ['gateway-ca', '--kubeconfig', kubeconfig, ...flags]);
    const known = () => splitBundle(identity.authorityPem).map((pem) => pem.trim());
    const dialsAgain = async () => {
      const another = startCluster(identity);
      try {
        await until(() => another.link.state.isUp);
      } finally {
        await another.close();
      }
    };

    assert.match((await step()).stdout, /^step 1 of 3: .*\nthen, in 10 min: frp-k8s rotate gateway-ca\n$/);
    await until(() => known().length === 2);
    const next = known()[1]!;
    const waits = await step();
    assert.match(waits.stderr, /nothing was changed.*\n.*cluster branch has not heard of the new authority yet/s);
    assert.match((await step('--accept-outage')).stdout, /^step 2 of 3: /);
    await until(() => isSignedBy(identity.certPem, next) && known()[0] === next);
    await dialsAgain();
    assert.match((await step('--accept-outage')).stdout, new RegExp(`^step 3 of 3: .*${pinOf(next)}`));
    await until(() => known().length === 1);
    await dialsAgain();
    assert.notEqual(known()[0], first.trim());
    assert.equal(parseToken((await create()).stdout.trim()).pin, pinOf(next));
    assert.equal((await list('remove', 'branch')).code, 0);
  });

  it('find it in another namespace and by another context, and say which of them is not there', async () => {
    assert.match((await list('-n', 'hub')).stderr, /namespace hub of the cluster/);
    assert.match((await list('--context', 'hub')).stderr, /the kubeconfig .* has no context hub; or say --dir/);
  });

  it('take either a directory or a cluster', async () => {
    for (const more of [
      ['--kubeconfig', kubeconfig],
      ['--context', 'c'],
      ['-n', 'hub'],
    ]) {
      const { code, stderr } = await inProcess(clusters, ['--dir', folder, ...more]);
      assert.equal(code, 1);
      assert.match(stderr, /--dir is of a gateway on this machine, --(kubeconfig|context|namespace) of one in a cluster: say one/);
    }
  });
});
