/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- objects that are made wrong on purpose */
/** What the installation's service accounts are refused, asked of the real API server as each of them; nothing is written. */
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { defaultConfig } from '../../../src/config/schema.ts';
import { budgetOf, configMapOf, deploymentOf } from '../../../src/controller/connectors/objects.ts';
import { serviceOf as clusterServiceOf, slicesOf } from '../../../src/controller/cluster-service/objects.ts';
import { defaulted } from '../../../src/model/defaults.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { install, installed, serving, system, testNamespace, usingImage } from '../support/cluster.ts';
import { apply, get, kubectl, type Json, type Manifest } from '../support/kubectl.ts';
import { httpService } from '../support/objects.ts';
import { eventually, run } from '../support/run.ts';

const binding: Manifest = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'frp-k8s-controller' },
};
type Account = 'frp-controller' | 'frp-webhook';
const asAccount = (account: Account) => `--as=system:serviceaccount:${system}:${account}`;
const dry = ['--dry-run=server', '-o', 'name'];

const create = (account: Account, object: Manifest) =>
  run('kubectl', ['create', asAccount(account), ...dry, '-f', '-'], { input: JSON.stringify(object) });
/** Server-side apply asks for nothing before it writes, as `kubectl patch` would. */
const write = (account: Account, object: Manifest) =>
  run('kubectl', ['apply', '--server-side', '--force-conflicts', '--field-manager=frp-test', asAccount(account), ...dry, '-f', '-'], {
    input: JSON.stringify(object),
  });

suite('the rights of the service accounts', () => {
  let ns = '';
  let service: DistributedService;
  before(async () => {
    await installed();
    ns = await testNamespace('frp-test-rights');
    const object = {
      apiVersion: 'frp.io/v1beta1',
      kind: 'DistributedService',
      metadata: { name: 'far', namespace: ns },
      spec: { serviceType: 'tcp', backends: { endpoints: [{ host: '192.0.2.1', port: 80 }] }, expose: { type: 'port', port: 6099 } },
    };
    await apply(object);
    const { uid } = (await get(ns, 'distributedservice', 'far')).metadata as { uid: string };
    service = { ...(defaulted(object) as unknown as DistributedService), metadata: { name: 'far', namespace: ns, uid } };
  });

  const owner = () => [{ apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', name: 'far', uid: service.metadata.uid }];
  const secret = (name: string, more: object = {}, namespace = ns): Manifest => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels: { 'app.kubernetes.io/managed-by': 'frp-k8s' },
      ...(namespace === ns && { ownerReferences: owner() }),
    },
    ...more,
  });
  const deployment = (): Json => ({ apiVersion: 'apps/v1', kind: 'Deployment', ...deploymentOf(service, defaultConfig) });
  const configMap = (): Json => ({ apiVersion: 'v1', kind: 'ConfigMap', ...configMapOf(service, ['{}']) });
  const budget = (): Json => ({ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', ...budgetOf(service) });

  const port = { name: 'http', port: 80, appProtocol: 'http' };
  const clusterService = (): Json => ({ apiVersion: 'v1', kind: 'Service', ...clusterServiceOf(service, 'far', port, 61_000) });
  const slice = (): Json => {
    const pods = [{ name: 'frp-gateway-0', addresses: ['10.244.0.9'], nodeName: 'node', isReady: true, isTerminating: false }];
    const [made] = slicesOf(service, 'far', { port, gatewayPort: 61_000, pods, isServed: true });
    return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', ...made };
  };

  test('what the parts write is allowed', async () => {
    const allowed: [Account, Manifest][] = [
      ['frp-controller', secret('frp-far-group', { type: 'Opaque' })],
      ['frp-controller', secret('frp-far-tls', { type: 'kubernetes.io/tls', data: { 'tls.crt': '', 'tls.key': '' } })],
      ['frp-controller', deployment()],
      ['frp-controller', configMap()],
      ['frp-controller', budget()],
      ['frp-controller', clusterService() as Manifest],
      ['frp-controller', slice() as Manifest],
    ];
    for (const [account, object] of allowed) {
      const { code, stderr } = await create(account, object);
      assert.ok(code === 0 || /AlreadyExists/.test(stderr), `${account} ${object.kind} ${object.metadata.name}: ${stderr}`);
    }
    const metadata = { name: 'frp-k8s-controller', finalizers: ['frp.io/cleanup'] };
    const finalizers = await write('frp-controller', { ...binding, metadata });
    assert.equal(finalizers.code, 0, finalizers.stderr);
  });

  test('Secrets of another name, type, owner or label are refused', async () => {
    const token = { type: 'kubernetes.io/service-account-token' };
    const account = { annotations: { 'kubernetes.io/service-account.name': 'default' } };
    const of = (object: Manifest, metadata: object): Manifest => ({ ...object, metadata: { ...object.metadata, ...metadata } });
    const denied: [string, Account, Manifest][] = [
      ['a token of an account', 'frp-controller', of(secret('frp-far-tls', token), account)],
      ['a token in its own namespace', 'frp-controller', of(secret('frp-server-api', token, system), account)],
      [
        'a registry credential',
        'frp-controller',
        secret('frp-far-tls', { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': 'e30=' } }),
      ],
      ['a bootstrap token', 'frp-controller', secret('frp-far-tls', { type: 'bootstrap.kubernetes.io/token' })],
      ['a name of nobody', 'frp-controller', secret('frp-x')],
      ['a name of another service', 'frp-controller', secret('frp-near-tls')],
      ['a service’s name without an owner', 'frp-controller', of(secret('frp-far-tls'), { ownerReferences: [] })],
      ['another label', 'frp-controller', of(secret('frp-far-tls'), { labels: { 'app.kubernetes.io/managed-by': 'helm' } })],
      ['the webhooks’ authority', 'frp-controller', secret('frp-webhook-authority', {}, system)],
      ['the tunnels’ authority, by the webhooks', 'frp-webhook', secret('frp-ca', {}, system)],
      [
        'a token of the controller, by the webhooks',
        'frp-webhook',
        of(secret('frp-webhook-authority', token, system), { annotations: { 'kubernetes.io/service-account.name': 'frp-controller' } }),
      ],
      ['anything elsewhere, by the webhooks', 'frp-webhook', secret('frp-webhook-authority')],
    ];
    await refused(denied);
    await apply({
      ...secret('frp-far-tls'),
      metadata: { name: 'frp-far-tls', namespace: ns, labels: { 'app.kubernetes.io/managed-by': 'helm' } },
    });
    const { stderr } = await write('frp-controller', secret('frp-far-tls'));
    assert.match(stderr, /this one belongs to somebody else/);
    await kubectl('-n', ns, 'delete', 'secret', 'frp-far-tls');
  });

  test('a Deployment that is not the connector, field by field, is refused', async () => {
    const changes: Record<string, (pod: Json, deployment: Json) => void> = {
      'an init container': (pod) => (pod.initContainers = [{ name: 'first', image: 'x' }]),
      'the network of the host': (pod) => (pod.hostNetwork = true),
      'the processes of the host': (pod) => (pod.hostPID = true),
      'the memory of the host': (pod) => (pod.hostIPC = true),
      'users of its own': (pod) => (pod.hostUsers = false),
      'a service account': (pod) => (pod.serviceAccountName = 'default'),
      'a token of its account': (pod) => (pod.automountServiceAccountToken = true),
      'a node of its choice': (pod) => (pod.nodeName = 'node'),
      'a selector of nodes': (pod) => (pod.nodeSelector = { a: 'b' }),
      tolerations: (pod) => (pod.tolerations = [{ operator: 'Exists' }]),
      'a priority': (pod) => (pod.priorityClassName = 'system-node-critical'),
      'a runtime class': (pod) => (pod.runtimeClassName = 'x'),
      'names of hosts': (pod) => (pod.hostAliases = [{ ip: '10.0.0.1', hostnames: ['a'] }]),
      'other name servers': (pod) => Object.assign(pod, { dnsPolicy: 'None', dnsConfig: { nameservers: ['10.0.0.1'] } }),
      'pull secrets': (pod) => (pod.imagePullSecrets = [{ name: 'x' }]),
      'a security context of the Pod': (pod) => (pod.securityContext = { fsGroup: 0 }),
      'a privileged container': (pod) =>
        (pod.containers[0].securityContext = { ...pod.containers[0].securityContext, privileged: true, allowPrivilegeEscalation: true }),
      root: (pod) => (pod.containers[0].securityContext = { ...pod.containers[0].securityContext, runAsUser: 0, runAsNonRoot: false }),
      capabilities: (pod) =>
        (pod.containers[0].securityContext = { ...pod.containers[0].securityContext, capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } }),
      'another container': (pod) => pod.containers.push({ name: 'shell', image: 'x' }),
      'a port of the host': (pod) => (pod.containers[0].ports = [{ containerPort: 1, hostPort: 1 }]),
      'an environment of another Secret': (pod) => (pod.containers[0].envFrom = [{ secretRef: { name: 'other' } }]),
      'a variable of another Secret': (pod) =>
        pod.containers[0].env.push({ name: 'X', valueFrom: { secretKeyRef: { name: 'other', key: 'password' } } }),
      'an exec hook': (pod) => (pod.containers[0].lifecycle = { postStart: { exec: { command: ['x'] } } }),
      'a Secret as a volume': (pod) => pod.volumes.push({ name: 'x', secret: { secretName: 'other' } }),
      'a path of the host': (pod) => pod.volumes.push({ name: 'x', hostPath: { path: '/' } }),
      'another ConfigMap': (pod) => pod.volumes.push({ name: 'x', configMap: { name: 'other' } }),
      'a claim': (pod) => pod.volumes.push({ name: 'x', persistentVolumeClaim: { claimName: 'other' } }),
      'a CSI volume': (pod) => pod.volumes.push({ name: 'x', csi: { driver: 'x' } }),
      'a token for the API server': (pod) =>
        pod.volumes.push({ name: 'x', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }),
      'a token for somebody else': (pod) =>
        pod.volumes.push({ name: 'x', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'vault' } }] } }),
      'a whole Secret, projected': (pod) => pod.volumes.push({ name: 'x', projected: { sources: [{ secret: { name: 'other' } }] } }),
      'a password, projected': (pod) =>
        pod.volumes.push({ name: 'x', projected: { sources: [{ secret: { name: 'other', items: [{ key: 'password', path: 'p' }] } }] } }),
      'the downward API, projected': (pod) => pod.volumes.push({ name: 'x', projected: { sources: [{ downwardAPI: { items: [] } }] } }),
      'another name': (_, made) => (made.metadata.name = 'frp-near-connector'),
      'no owner': (_, made) => (made.metadata.ownerReferences = []),
      'Pods of another label': (_, made) => (made.spec.template.metadata.labels.app = 'web'),
      'an annotation that injectors read': (_, made) => (made.spec.template.metadata.annotations['sidecar.istio.io/inject'] = 'true'),
    };
    await refused(
      Object.entries(changes).map(([what, change]) => {
        const made = structuredClone(deployment());
        change(made.spec.template.spec, made);
        return [what, 'frp-controller', made];
      }),
    );
    const wide = budget();
    wide.spec.selector = {};
    const other = configMap();
    other.metadata.name = 'frp-near-connector';
    await refused([
      ['a budget for all Pods', 'frp-controller', wide],
      ['a ConfigMap of another', 'frp-controller', other],
    ]);
  });

  test('a Service that is not one of expose.clusterService, and a slice that leads elsewhere than to the gateway, are refused', async () => {
    const services: Record<string, (made: Json) => void> = {
      'a selector': (made) => (made.spec.selector = { app: 'web' }),
      'an address of the outside': (made) => (made.spec.externalIPs = ['192.0.2.1']),
      'a port of every node': (made) => (made.spec.type = 'NodePort'),
      'a load balancer': (made) => (made.spec.type = 'LoadBalancer'),
      'another name': (made) => Object.assign(made.spec, { type: 'ExternalName', externalName: 'example.com', ipFamilyPolicy: undefined }),
      'two ports': (made) => made.spec.ports.push({ name: 'two', port: 81 }),
      'no owner': (made) => (made.metadata.ownerReferences = []),
      'labels of others': (made) => (made.metadata.labels = { 'app.kubernetes.io/managed-by': 'helm' }),
    };
    const slices: Record<string, (made: Json) => void> = {
      'a port of the gateway’s own': (made) => (made.ports[0].port = 8081),
      'the port of the API server': (made) => (made.ports[0].port = 6443),
      'every port': (made) => delete made.ports[0].port,
      'another protocol': (made) => (made.ports[0].protocol = 'UDP'),
      'names in the place of addresses': (made) => (made.addressType = 'FQDN'),
      'a slice without an owner': (made) => (made.metadata.ownerReferences = []),
      'a slice of another program': (made) =>
        (made.metadata.labels['endpointslice.kubernetes.io/managed-by'] = 'endpointslice-controller.k8s.io'),
    };
    const rows = (changes: typeof services, make: () => Json) =>
      Object.entries(changes).map(([what, change]): [string, Account, Manifest] => {
        const made = structuredClone(make());
        change(made);
        return [what, 'frp-controller', made as Manifest];
      });
    await refused([...rows(services, clusterService), ...rows(slices, slice)]);
    await apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'far', namespace: ns }, spec: { ports: [{ port: 80 }] } });
    const { stderr } = await write('frp-controller', clusterService() as Manifest);
    assert.match(stderr, /belong to a DistributedService/);
    const taken = await run('kubectl', ['-n', ns, 'delete', 'service', 'far', asAccount('frp-controller')]);
    assert.match(taken.stderr, /belong to a DistributedService/);
    await kubectl('-n', ns, 'delete', 'service', 'far');
  });

  test('a connector pulls its image with the Secrets that the policy names, and with no other', async () => {
    const policy = 'frp-k8s-own-connectors';
    const { spec } = await get('', 'validatingadmissionpolicy', policy);
    const index = (spec.variables as { name: string }[]).findIndex(({ name }) => name === 'pullSecrets');
    const allow = (names: string) => {
      const patch = [{ op: 'replace', path: `/spec/variables/${index}/expression`, value: names }];
      return kubectl('patch', 'validatingadmissionpolicy', policy, '--type=json', '-p', JSON.stringify(patch));
    };
    const pulling = (name: string) => {
      const made = structuredClone(deployment());
      made.spec.template.spec.imagePullSecrets = [{ name }];
      return made as Manifest;
    };
    await allow("['registry']");
    try {
      await eventually('the Secret that is named', async () => {
        const { code, stderr } = await create('frp-controller', pulling('registry'));
        assert.ok(code === 0 || /AlreadyExists/.test(stderr), stderr);
      });
      await refused([['another pull secret', 'frp-controller', pulling('other')]]);
    } finally {
      await allow('[]');
    }
  });

  test('of roles, bindings, accounts and services nothing but finalizers changes', async () => {
    const subjects = [{ kind: 'ServiceAccount', name: 'default', namespace: ns }];
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'frp-k8s-controller' } };
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'frp-controller', namespace: system } };
    const known = { apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', metadata: { name: 'far', namespace: ns } };
    const labelled = (object: Manifest, labels: Record<string, string>) => ({ ...object, metadata: { ...object.metadata, labels } });
    const denied: [string, Manifest][] = [
      ['a subject more', { ...binding, subjects }],
      ['no subject', { ...binding, subjects: [] }],
      ['a label of a binding', labelled(binding, { x: 'y' })],
      ['a rule less', { ...role, rules: [] }],
      ['a role that others aggregate', labelled(role, { 'rbac.authorization.k8s.io/aggregate-to-edit': 'true' })],
      ['Secrets of its account', { ...account, secrets: [{ name: 'x' }] }],
      ['a label of its account', labelled(account, { x: 'y' })],
      ['the spec of a service', { ...known, spec: { serviceType: 'tcp', expose: { type: 'port', port: 6098 } } }],
      ['a label of a service', labelled(known, { x: 'y' })],
    ];
    for (const [what, object] of denied) {
      const { code, stderr } = await write('frp-controller', object);
      assert.notEqual(code, 0, `${what} was allowed`);
      assert.match(stderr, /changes only the finalizers/, what);
    }
    const { stderr } = await write('frp-controller', { ...binding, metadata: { name: 'cluster-admin' }, subjects });
    assert.match(stderr, /cannot patch resource "clusterrolebindings"/);
  });

  test('verbs and kinds that no part needs are forbidden', async () => {
    const can = async (account: Account, request: string[]) =>
      (await run('kubectl', ['auth', 'can-i', ...request, asAccount(account)])).code === 0;
    const table: [Account, string[]][] = [
      ['frp-webhook', ['get', `secret/frp-ca`, '-n', system]],
      ['frp-webhook', ['list', 'secrets', '-n', system]],
      ['frp-webhook', ['delete', 'secret/frp-webhook-authority', '-n', system]],
      ['frp-webhook', ['get', 'pods', '-A']],
      ['frp-webhook', ['patch', 'namespaces']],
      ['frp-webhook', ['patch', 'validatingadmissionpolicies']],
      ...['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'].flatMap((kind): [Account, string[]][] => [
        ['frp-webhook', ['patch', `${kind}/another`]],
        ['frp-webhook', ['create', kind]],
        ['frp-webhook', ['update', `${kind}/frp-k8s`]],
        ['frp-webhook', ['delete', `${kind}/frp-k8s`]],
      ]),
      ['frp-controller', ['update', 'secrets', '-A']],
      ['frp-controller', ['create', 'serviceaccounts', '--subresource=token', '-A']],
      ['frp-controller', ['create', 'pods', '-A']],
      ['frp-controller', ['create', 'pods', '--subresource=exec', '-A']],
      ['frp-controller', ['create', 'rolebindings', '-A']],
      ['frp-controller', ['escalate', 'clusterroles']],
      ['frp-controller', ['bind', 'clusterroles']],
      ['frp-controller', ['impersonate', 'users']],
      ['frp-controller', ['patch', 'mutatingwebhookconfigurations']],
      ['frp-controller', ['delete', 'validatingadmissionpolicies']],
      ['frp-controller', ['get', 'nodes', '--subresource=proxy']],
    ];
    const answers = await Promise.all(table.map(([account, request]) => can(account, request)));
    assert.deepEqual(
      table.filter((_, index) => answers[index]).map(([account, request]) => `${account} ${request.join(' ')}`),
      [],
    );
  });

  test('with the overlay for it, the controller reads Secrets in namespaces with a RoleBinding and in no other, and says where one is missing', async () => {
    const elsewhere = await testNamespace('frp-test-rights-by-namespace');
    const can = async (verb: string, scope: string[]) =>
      (await run('kubectl', ['auth', 'can-i', verb, 'secrets', ...scope, asAccount('frp-controller')])).code === 0;
    const certificatesOf = async () => {
      const { status } = await get(elsewhere, 'distributedservice', 'web');
      return (status?.conditions as Json[] | undefined)?.find(({ type }) => type === 'CertificatesReady');
    };
    await kubectl('apply', '-k', usingImage('manifests/secrets-by-namespace'));
    await kubectl('delete', 'clusterrolebinding', 'frp-k8s-secrets');
    try {
      await serving();
      await apply(httpService(elsewhere, 'web', 'by-namespace.example.com'));
      let remedy = '';
      await eventually('the condition', async () => {
        const found = await certificatesOf();
        assert.equal(found?.reason, 'SecretsForbidden', JSON.stringify(found));
        remedy = /kubectl (.*)$/.exec(String(found?.message))![1]!;
      });
      for (const verb of ['get', 'list', 'watch', 'create', 'patch', 'delete']) {
        assert.ok(!(await can(verb, ['-A'])), `${verb} in the cluster`);
        assert.ok(!(await can(verb, ['-n', elsewhere])), `${verb} in the namespace`);
        assert.ok(await can(verb, ['-n', system]), `${verb} in the installation's namespace`);
      }
      const { code } = await run('kubectl', ['-n', elsewhere, 'get', 'secret', 'frp-web-tls']);
      assert.notEqual(code, 0, 'a certificate was made without the right to it');
      await kubectl(...remedy.split(' '));
      await eventually('the certificate', async () => assert.equal((await certificatesOf())?.status, 'True'), 60);
      await get(elsewhere, 'secret', 'frp-web-tls');
      await kubectl('-n', elsewhere, 'delete', 'rolebinding', 'frp-k8s-secrets');
      // It goes without the right, too.
      await kubectl('-n', elsewhere, 'delete', 'distributedservice', 'web', '--timeout=60s');
    } finally {
      await kubectl('-n', system, 'delete', 'rolebinding', 'frp-k8s-secrets', '--ignore-not-found');
      await install();
      await serving();
    }
  });

  /** A policy takes a moment until every request meets it. */
  async function refused(rows: [what: string, account: Account, object: Manifest][]): Promise<void> {
    const allowed: string[] = [];
    for (const [what, account, object] of rows) {
      const attempt = async () => {
        const { code, stderr } = await create(account, object);
        if (code === 0) throw new Error(`${what} was allowed`);
        assert.match(stderr, /ValidatingAdmissionPolicy|forbidden/, what);
      };
      await eventually(what, attempt, allowed.length === 0 ? 10 : 0).catch((error: Error) => allowed.push(error.message));
    }
    assert.deepEqual(allowed, []);
  }
});
