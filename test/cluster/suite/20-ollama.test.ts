/** The main job: a pool of replicas behind one host, growing, shrinking, and closed to others. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { foreignClient } from '../support/certificates.ts';
import { installed, root, system, testNamespace } from '../support/cluster.ts';
import { apply, get, items, kubectl, rolledOut, scale, tryApply, type Json, type Manifest } from '../support/kubectl.ts';
import { startLongAnswers } from '../support/long-answers.ts';
import { deployment, pod } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { requests } from '../support/traffic.ts';

const sample = parse(readFileSync(join(root, 'manifests/samples/ollama-cluster.yaml'), 'utf8')) as Manifest & { spec: Json };
const ns = sample.metadata.namespace!;
const group = sample.metadata.name!;
const host: string = sample.spec.expose.domain;
const path: string = sample.spec.expose.path ?? '/';

/** The sample without the protection that only the gateway gives. */
function open(): Manifest & { spec: Json } {
  const copy = structuredClone(sample);
  delete copy.spec.security.authentication;
  return copy;
}

/** An Ollama: port 11434, and the health endpoint that the sample names. */
const ollama = (name: string, replicas: number): Manifest => deployment({ namespace: ns, name, replicas, port: 11434, frp: { group } });

const podNames = async (app: string): Promise<string[]> =>
  (await items(ns, 'pod', '-l', `app=${app}`))
    .filter((p) => !p.metadata.deletionTimestamp)
    .map((p) => p.metadata.name as string)
    .sort();

const behind = (pods: number): Promise<string[]> =>
  eventually(`${pods} Pods behind ${host}`, async () => {
    const names = [...(await requests(host, pods * 4, path)).keys()].sort();
    assert.equal(names.length, pods, names.join(', '));
    return names;
  });

suite('an Ollama pool', () => {
  let longAnswers: () => Promise<void>;

  before(async () => {
    await installed();
    await testNamespace(ns);
    const { clusterIP } = (await get(system, 'service', 'frp-server')).spec as { clusterIP: string };
    longAnswers = await startLongAnswers(ns, clusterIP);
    await apply(open());
    await apply(ollama('ollama', 3));
    await rolledOut(ns, 'ollama');
  });

  test('three replicas share 300 requests, 80 to 120 each', async () => {
    assert.deepEqual(await behind(3), await podNames('ollama'));
    const shares = await requests(host, 300, path);
    assert.equal(shares.size, 3);
    for (const [name, share] of shares) assert.ok(share >= 80 && share <= 120, `${name} served ${share} of 300`);
  });

  test('the sidecar is first, native, and no secret is in the Pod', async () => {
    const [first] = await items(ns, 'pod', '-l', 'app=ollama');
    assert.equal(first.spec.initContainers[0].name, 'frpc');
    assert.equal(first.spec.initContainers[0].restartPolicy, 'Always');
    const { data } = await get(ns, 'secret', `frp-${group}-group`);
    const key = Buffer.from(data.key as string, 'base64').toString();
    assert.ok(key.length >= 16);
    assert.ok(!JSON.stringify(first).includes(key), 'the group key is in the Pod');
  });

  test('scaling to five and back to two moves the traffic', async () => {
    await scale(ns, 'ollama', 5);
    await behind(5);
    await scale(ns, 'ollama', 2);
    assert.deepEqual(await behind(2), await podNames('ollama'));
  });

  test('a second Deployment joins the group', async () => {
    await apply(ollama('ollama-gpu', 1));
    await rolledOut(ns, 'ollama-gpu');
    const names = await behind(3);
    assert.ok(
      names.some((name) => name.startsWith('ollama-gpu-')),
      names.join(', '),
    );
    await kubectl('-n', ns, 'delete', 'deployment', 'ollama-gpu');
  });

  test('a Pod of another namespace that names the group is denied', async () => {
    const other = await testNamespace('ollama-neighbour');
    const { code, stderr } = await tryApply([pod({ namespace: other, name: 'freeloader', port: 11434, frp: { group } })]);
    assert.notEqual(code, 0);
    assert.match(stderr, new RegExp(`${group}`));
    assert.match(stderr, /ollama-neighbour/);
  });

  test('a sidecar with a certificate of another authority is refused', async () => {
    // The same Pod, configuration and Secret layout as an injected one; only the authority differs.
    const forged = 'ollama-forged';
    await testNamespace(forged);
    const copy = open();
    copy.metadata.namespace = forged;
    copy.spec.expose.domain = 'forged.example.com';
    await apply(copy);
    await eventually('its Secret', () => get(forged, 'secret', `frp-${group}-tls`));
    const { certPem, keyPem } = await foreignClient();
    await kubectl(
      '-n',
      forged,
      'create',
      'secret',
      'generic',
      'stolen',
      `--from-literal=tls.crt=${certPem}`,
      `--from-literal=tls.key=${keyPem}`,
    );
    const pod = await eventually('webhooks that know the service', () => injected(forged));
    await apply(injectedWith(pod, 'forged', 'stolen', group), injectedWith(pod, 'genuine', `frp-${group}-tls`, group));
    await eventually('the refusal', async () =>
      assert.match(await kubectl('-n', forged, 'logs', 'forged', '-c', 'frpc'), /connect to server error/),
    );
    await eventually('the genuine one to be alone', async () =>
      assert.deepEqual([...(await requests('forged.example.com', 8, path)).keys()], ['genuine']),
    );
  });

  test('an answer that begins late and takes long comes whole, and the model is asked for it once', () => longAnswers());
});

suite('the Ollama sample as it stands', () => {
  const guarded = 'ollama-guarded';
  before(async () => {
    await installed();
    await testNamespace(guarded);
    await apply({
      ...sample,
      metadata: { ...sample.metadata, namespace: guarded },
      spec: { ...sample.spec, expose: { ...sample.spec.expose, domain: 'guarded.example.com' } },
    });
  });

  test('is stored and says that it needs the gateway', async () => {
    await eventually('the condition', async () => {
      const { status } = await get(guarded, 'distributedservice', group);
      const condition = (status?.conditions as Json[]).find((c) => c.type === 'ConfigurationValid');
      assert.equal(condition?.status, 'False');
      assert.equal(condition?.reason, 'GatewayRequired');
      assert.match(String(condition?.message), /spec\.security\.authentication/);
    });
  });

  test('has its Pods denied with that text', async () => {
    // Also by a replica whose watch lags: it must never let the Pod in, and soon says why.
    await eventually('the reason', async () => {
      const { code, stderr } = await tryApply([pod({ namespace: guarded, name: 'unprotected', port: 11434, frp: { group } })]);
      if (code === 0) throw new Error('the Pod was let in');
      assert.match(stderr, /GatewayRequired: spec\.security\.authentication .*gateway/);
    });
    assert.deepEqual(await items(guarded, 'pod'), []);
  });
});

/** What the webhooks make of an annotated Pod, without creating it. */
async function injected(namespace: string): Promise<Json> {
  const { code, stdout, stderr } = await tryApply(
    [pod({ namespace, name: 'forged', port: 11434, frp: { group } })],
    '--dry-run=server',
    '-o',
    'json',
  );
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** The injected Pod, opted out of injection, with certificate and key of another Secret; the rest stays as it is. */
function injectedWith(pod: Json, name: string, other: string, service: string): Manifest {
  const { metadata, spec } = structuredClone<Json>(pod);
  const ours = `frp-${service}-tls`;
  const volumes = spec.volumes as { projected?: { sources: { secret?: { name: string; items?: unknown } }[] } }[];
  const sources = volumes.map(({ projected }) => projected?.sources ?? []).find((all) => all.some(({ secret }) => secret?.name === ours));
  assert.ok(sources, 'the sidecar mounts the Secret of its service');
  const keys = (...names: string[]) => names.map((key) => ({ key, path: key }));
  const certificate = sources.find((source) => source.secret?.name === ours)!;
  certificate.secret = { name: other, items: keys('tls.crt', 'tls.key') };
  sources.push({ secret: { name: ours, items: keys('ca.crt') } });
  const annotations = { ...metadata.annotations };
  delete annotations['frp.io/group'];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: metadata.namespace, annotations }, spec };
}
