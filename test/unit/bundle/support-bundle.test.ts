import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { bundleOfCluster } from '../../../src/bundle/from-cluster.ts';
import { bundleOfDirectory } from '../../../src/bundle/from-directory.ts';
import { contentsOf, type Bundle } from '../../../src/bundle/bundle.ts';
import type { Probes } from '../../../src/diagnose/probes.ts';
import { takeSnapshot } from '../../../src/diagnose/take.ts';
import type { GatewayVoice } from '../../../src/explain/gateway-voice.ts';
import { configFile, logFile } from '../../../src/gateway/up/layout.ts';
import { run } from '../../../src/cli/support-bundle.ts';
import { inProcess } from '../../support/command.ts';
import { ApiServer } from '../kube/api-server.ts';

const key = `-----BEGIN EC PRIVATE KEY-----\nplanted0MHcCAQEEIPlantedKeyOfSomebody\nAAAAplanted0\n-----END EC PRIVATE KEY-----`;
/** Each has the word `planted`, in a value and never in a name that may stay. */
const plants = {
  object: {
    env: [{ name: 'DB_URL', value: 'postgres://planted-user:planted-pw@db/x' }],
    args: ['--password', 'planted-argument', '--token=planted-argument'],
  },
  annotations: { 'other.io/config': 'planted-annotation', 'frp.io/group': 'web', 'frp.io/note': 'password=planted-note' },
  texts: [
    'login with token planted-token-1 failed: token="planted-token-2", auth.token = planted-token-3',
    'GET https://planted-user:planted-pw@host/path?planted=query&x=1 HTTP/1.1',
    'header Authorization: Bearer planted.bearer.value, Cookie: session=planted-cookie; other=planted-cookie',
    `'x-api-key': 'planted-api-key' secret: planted-secret client_secret=planted-client`,
    'mail from planted.person@example.com at 203.0.113.77:4711 and 2001:db8:7::9',
    `a key: ${key}`,
    'jwt eyJwbGFudGVkIjoxfQ.eyJwbGFudGVkIjoxfQ.c2lnbmVkcGxhbnRlZA',
    'random Zm9vYmFyUGxhbnRlZDEyMzQ1Njc4OTA9 and 5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b5aa765d6',
  ],
};
/** What must not be found in any file. */
const forbidden = /planted|203\.0\.113\.77|2001:db8:7::9|cGxhbnRlZ|wbGFudGVk|UGxhbnRlZ|5f4dcc3b5aa765d6/i;

/** The word after `token ` is nobody's to know for a secret: only what says so is. */
const texts = plants.texts.map((text) => text.replace('token planted-token-1', 'token=planted-token-1'));
const ofObjects = texts.join('\n');
const lines = [
  ...texts,
  JSON.stringify({ level: 'info', msg: texts[0], password: 'planted-field', nested: { apiKey: 'planted-nested', list: [texts[5]] } }),
  JSON.stringify({
    event: 'request',
    service: 'web',
    path: '/planted',
    query: 'planted',
    user: '203.0.113.0/24',
    client: 'planted-client',
    status: 200,
  }),
  `2026-11-27T10:00:00.123456789Z ${JSON.stringify({ headers: { authorization: 'planted-header' }, msg: 'kept-message' })}`,
  '{"broken": "token=planted-broken',
].join('\n');

const container = { name: 'app', image: 'app:1', ...plants.object, ports: [{ name: 'metrics', containerPort: 8080 }] };
const meta = (namespace: string, name: string, more: object = {}) => ({
  namespace,
  name,
  annotations: plants.annotations,
  managedFields: [{ manager: 'planted' }],
  ...more,
});
const podOf = (namespace: string, name: string, labels: Record<string, string>) => ({
  metadata: meta(namespace, name, { labels }),
  spec: {
    initContainers: [{ ...container, name: 'frpc' }],
    containers: [container],
    volumes: [
      { name: 'v', secret: { secretName: 'kept-secret-name' } },
      { name: 'c', csi: { volumeAttributes: { token: 'planted-csi' } } },
    ],
  },
  status: {
    phase: 'Running',
    podIP: '10.0.0.7',
    message: ofObjects,
    initContainerStatuses: [{ name: 'frpc', restartCount: 1 }],
    conditions: [{ type: 'Ready', status: 'False', message: ofObjects }],
  },
});
const secretOf = (namespace: string, name: string) => ({
  metadata: meta(namespace, name),
  type: 'Opaque',
  data: { 'tls.key': Buffer.from(key).toString('base64'), 'tls.crt': Buffer.from('planted').toString('base64'), password: 'cGxhbnRlZA==' },
});
const workloadOf = (namespace: string, name: string) => ({
  metadata: meta(namespace, name, { labels: { 'app.kubernetes.io/part-of': 'frp-k8s' } }),
  spec: {
    replicas: 1,
    template: {
      metadata: { annotations: plants.annotations },
      spec: { containers: [container], volumes: [{ name: 'config', configMap: { name: 'frp-config' } }] },
    },
  },
  status: { conditions: [{ type: 'Available', status: 'False', message: ofObjects }] },
});

const config = `frps:\n  metadatas: { pass: planted-metadata }\ngateway:\n  addresses: [gw.example.com]\n  trustedProxies: [10.9.9.9]\n`;
const lists: Record<string, object[]> = {
  events: [
    { metadata: meta('shop', 'e1'), involvedObject: { kind: 'Pod', name: 'web-1' }, type: 'Warning', reason: 'Failed', message: ofObjects },
  ],
  networkpolicies: [{ metadata: meta('shop', 'n1'), spec: { podSelector: {} } }],
  resourcequotas: [{ metadata: meta('shop', 'q1') }],
  mutatingwebhookconfigurations: [
    {
      metadata: meta('', 'm1'),
      webhooks: [{ name: 'x', clientConfig: { caBundle: Buffer.from(key).toString('base64'), url: 'https://u:planted@hook/?planted=1' } }],
    },
  ],
  validatingwebhookconfigurations: [],
  clusterroles: [{ metadata: meta('', 'r1') }],
  clusterrolebindings: [{ metadata: meta('', 'b1') }],
  statefulsets: [workloadOf('frp-gateway', 'frp-gateway')],
  daemonsets: [],
};

let server: ApiServer;
let logs: string[];
beforeEach(async () => {
  server = await ApiServer.start();
  logs = [];
  const put = (path: string, object: object) => server.put(path, object as never);
  for (const [namespace, name, labels] of [
    ['shop', 'web-1', { 'frp.io/sidecar': 'injected' }],
    ['frp-system', 'frp-webhook-1', { app: 'frp-webhook', 'app.kubernetes.io/part-of': 'frp-k8s' }],
    ['frp-gateway', 'frp-gateway-0', { app: 'frp-gateway', 'app.kubernetes.io/part-of': 'frp-k8s' }],
  ] as const)
    put(`/api/v1/namespaces/${namespace}/pods/${name}`, podOf(namespace, name, labels));
  for (const name of ['frp-ca', 'frp-server-api', 'frp-server-tls'])
    put(`/api/v1/namespaces/frp-system/secrets/${name}`, secretOf('frp-system', name));
  put('/api/v1/namespaces/shop/secrets/owned', {
    ...secretOf('shop', 'owned'),
    metadata: meta('shop', 'owned', { labels: { 'app.kubernetes.io/managed-by': 'frp-k8s' } }),
  });
  put('/apis/apps/v1/namespaces/frp-system/deployments/frp-webhook', workloadOf('frp-system', 'frp-webhook'));
  put('/apis/apps/v1/namespaces/shop/deployments/web', { ...workloadOf('shop', 'web'), metadata: meta('shop', 'web') });
  put('/api/v1/namespaces/frp-system/configmaps/frp-config', {
    metadata: meta('frp-system', 'frp-config'),
    data: { 'config.yaml': config, other: 'planted' },
  });
  put('/api/v1/namespaces/frp-system/services/frp-webhook', {
    metadata: meta('frp-system', 'frp-webhook'),
    spec: { clusterIP: '10.96.0.9' },
  });
  put('/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web', {
    metadata: meta('shop', 'web'),
    spec: {
      serviceType: 'http',
      expose: { domain: 'kept.example.com', headers: { request: { set: { Authorization: 'planted-set' }, remove: ['X-Kept'] } } },
      routes: [{ headers: { 'X-Team': 'planted-route' }, groups: [{ name: 'web' }] }],
      security: { authentication: { secretRef: { name: 'kept-ref' } } },
    },
    status: { conditions: [{ type: 'Ready', status: 'False', reason: 'NoBackends', message: ofObjects }] },
  });
  server.intercept = ({ path }) => {
    if (path.endsWith('/log')) {
      logs.push(path);
      return { status: 200, body: lines };
    }
    const list = lists[path.split('/').at(-1)!];
    return list === undefined ? undefined : { status: 200, body: { metadata: { resourceVersion: '1' }, items: structuredClone(list) } };
  };
});
afterEach(() => server.close());

const haproxy = `frontend f\n  bind 10.0.0.7:8080\nbackend svc-1\n  http-request set-header X-Team 'planted-header'\n  http-response set-header Set-Cookie 'planted'\n  server s1 127.0.0.1:10000\n`;
const voice: GatewayVoice = {
  replica: 'frp-gateway-0',
  ask: <T>(path: string) =>
    Promise.resolve(path === '/api/haproxy' ? { ok: { users: haproxy } as T } : { ok: { replica: 'frp-gateway-0', services: [] } as T }),
};
const refused = { failed: 'not tried here' };
const probes: Probes = {
  clock: () => Promise.resolve(refused),
  mayI: () => Promise.resolve(refused),
  dryRunPod: () => Promise.resolve(refused),
  dial: () => Promise.resolve(refused),
  resolve: () => Promise.resolve(refused),
  secretMetadata: () => Promise.resolve(refused),
  logOf: () => Promise.resolve(refused),
  getFromPod: () => Promise.resolve({ ok: { status: 200, ms: 1, headers: {}, body: 'frp_kept_total{path="/x?planted=1"} 1\n' } }),
};

const take = async (more: Partial<{ problems: string[] }> = {}): Promise<Bundle> =>
  bundleOfCluster({
    client: server.client,
    snapshot: await takeSnapshot(server.client),
    probes,
    reach: { voices: [voice], problems: more.problems ?? [] },
    onProgress: () => {},
  });
const fileOf = (bundle: Bundle, path: string) =>
  bundle.files.find((each) => each.path === path)?.text ?? assert.fail(`there is no ${path}`);

describe('a support bundle', () => {
  it('has nothing of what is planted in every kind of object and in every log that it reads', async () => {
    const bundle = await take();
    for (const { path, text } of bundle.files) {
      const found = forbidden.exec(text);
      assert.equal(found, null, `${path}: ${text.slice(Math.max(0, (found?.index ?? 0) - 80), (found?.index ?? 0) + 80)}`);
    }
    assert.ok(logs.length >= 8, `only ${logs.length} logs were read`);
    assert.ok(!forbidden.test(contentsOf(bundle)));
  });

  it('has what a maintainer needs', async () => {
    const bundle = await take();
    const paths = bundle.files.map(({ path }) => path);
    for (const path of [
      'versions.json',
      'configuration.json',
      'check.json',
      'status.json',
      'objects/distributedservices.json',
      'objects/events.json',
      'objects/installation/secrets/frp-ca.json',
      'haproxy/frp-gateway-0-users.cfg',
      'logs/shop/web-1/frpc.log',
      'logs/shop/web-1/frpc.previous.log',
      'logs/frp-system/frp-webhook-1/app.log',
      'metrics/frp-gateway/frp-gateway-0.txt',
    ])
      assert.ok(paths.includes(path), `${path} is not in it: ${paths.join(', ')}`);
    assert.match(fileOf(bundle, 'objects/distributedservices.json'), /kept\.example\.com[\s\S]*X-Kept[\s\S]*kept-ref[\s\S]*NoBackends/);
    assert.match(fileOf(bundle, 'objects/installation/pods.json'), /DB_URL[\s\S]*kept-secret-name/);
    assert.match(fileOf(bundle, 'configuration.json'), /gw\.example\.com/);
    assert.match(fileOf(bundle, 'objects/installation/secrets/frp-ca.json'), /"tls\.key"/);
    assert.match(fileOf(bundle, 'haproxy/frp-gateway-0-users.cfg'), /bind 10\.0\.0\.7:8080[\s\S]*server s1 127\.0\.0\.1:10000/);
    const log = fileOf(bundle, 'logs/shop/web-1/frpc.log');
    assert.match(log, /kept-message/);
    assert.match(log, /\[address 1\]/);
    assert.match(log, /"event":"request","service":"web","status":200/);
    assert.match(contentsOf(bundle), /logs\/shop\/web-1\/frpc\.log/);
  });

  it('says which right is missing, and goes on with the rest', async () => {
    const { intercept } = server;
    server.intercept = (request) =>
      /\/(log|events)$/.test(request.path)
        ? { status: 403, body: { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no' } }
        : intercept(request);
    const bundle = await take({ problems: ['gw-1 does not run'] });
    const text = bundle.missing.join('\n');
    assert.match(text, /logs\/shop\/web-1\/frpc\.log: this account may not get pods\/log of namespace shop/);
    assert.match(text, /objects\/events\.json: this account may not list events/);
    assert.match(text, /gw-1 does not run/);
    assert.ok(bundle.files.some(({ path }) => path === 'objects/pods.json'));
  });

  it('asks no gateway where there is none, and says of a collection that it is too long', async () => {
    server.remove('/api/v1/namespaces/frp-gateway/pods/frp-gateway-0');
    for (let index = 0; index < 2100; index++)
      server.put(`/apis/frp.io/v1beta1/namespaces/shop/distributedservices/s${index}`, {
        metadata: { namespace: 'shop', name: `s${index}` },
        spec: {},
      } as never);
    const bundle = await take({ problems: ['there is no gateway'] });
    const text = bundle.missing.join('\n');
    assert.doesNotMatch(text, /there is no gateway/);
    assert.match(text, /objects\/distributedservices\.json: there are more than the first 2000/);
    assert.equal((JSON.parse(fileOf(bundle, 'objects/distributedservices.json')) as unknown[]).length, 2000);
  });

  it('asks the API server to change nothing', async () => {
    await take();
    assert.deepEqual([...new Set(server.requests.map(({ method }) => method))], ['GET']);
  });
});

describe('frp-k8s support-bundle', () => {
  const at = mkdtempSync(join(tmpdir(), 'frp-bundle-'));
  after(() => rmSync(at, { recursive: true, force: true }));

  it('writes an archive for its owner alone, prints what is in it, and ends with 2 where something is missing', async () => {
    const kubeconfig = join(at, 'kubeconfig');
    writeFileSync(kubeconfig, server.kubeconfig);
    const file = join(at, 'b.tar.gz');
    const { code, stdout, stderr } = await inProcess(run, ['--kubeconfig', kubeconfig, '-o', file]);
    assert.equal(code, 2, stderr);
    assert.match(stdout, /objects\/pods\.json/);
    assert.match(stderr, /reading .*\n[\s\S]*missing: /);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const names = execFileSync('tar', ['-tzf', file], { encoding: 'utf8' });
    assert.match(names, /CONTENTS\.txt[\s\S]*versions\.json/);
    assert.doesNotMatch(execFileSync('tar', ['-xzOf', file], { encoding: 'utf8', maxBuffer: 1e8 }), forbidden);
  });

  it('of a gateway without a cluster reads its directory, and no token in it', async () => {
    const home = join(at, 'home');
    for (const directory of ['log', 'run', 'links']) mkdirSync(join(home, directory), { recursive: true });
    writeFileSync(join(home, 'links', 'tokens.json'), '{"token":"planted"}');
    writeFileSync(
      configFile(home),
      JSON.stringify({ frps: { metadatas: { a: 'planted' } }, gateway: { addresses: ['kept.example.com'] } }),
    );
    writeFileSync(logFile(home, 'agent'), `cut planted\n${'x'.repeat(1024 * 1024)}\n${lines}`);
    const bundle = await bundleOfDirectory(
      home,
      { voices: [voice], problems: [] },
      () => {},
      () => Promise.resolve('frp_kept 1\n'),
    );
    for (const { path, text } of bundle.files) assert.doesNotMatch(text, forbidden, path);
    assert.match(fileOf(bundle, 'configuration.json'), /kept\.example\.com/);
    assert.match(fileOf(bundle, 'logs/agent.log'), /kept-message/);
    assert.ok(bundle.missing.some((text) => text.startsWith('logs/frps.log')));
    assert.ok(readFileSync(join(home, 'links', 'tokens.json'), 'utf8').includes('planted'));
  });
});
