/** `frp-k8s check` against a real installation with a gateway: nothing wrong, then faults; each is named, and its remedy mends it as printed. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { root, system, testNamespace } from '../support/cluster.ts';
import { gatewayInstalled, users } from '../support/gateway.ts';
import { apply, kubectl, rolledOut } from '../support/kubectl.ts';
import { deployment, httpService } from '../support/objects.ts';
import { eventually, must, run } from '../support/run.ts';
import { servedBy } from '../support/traffic.ts';

const ns = 'check';
const name = 'checked';

interface Finding {
  check: string;
  level: string;
  reason: string;
  message: string;
  remedy?: string;
}

async function check(...options: string[]): Promise<{ code: number; findings: Finding[] }> {
  const { code, stdout, stderr } = await run('node', [`${root}/src/main.ts`, 'check', '-n', ns, '-o', 'json', ...options]);
  assert.notEqual(stdout, '', stderr);
  return { code, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings.filter(({ level }) => level !== 'ok') };
}

const lineOf = ({ check: id, reason, message }: Finding) => `${id} ${reason}: ${message}`;

/** As a person waits for what the controller and the kubelet have to do. */
async function isWell(): Promise<void> {
  const { code, findings } = await check('--wait', '90s');
  assert.deepEqual(findings.map(lineOf), []);
  assert.equal(code, 0);
}

const annotate = (annotations: object) =>
  kubectl(
    '-n',
    ns,
    'patch',
    'deployment',
    name,
    '--type=merge',
    '-p',
    JSON.stringify({ spec: { template: { metadata: { annotations } } } }),
  );
const webhooks = 'mutatingwebhookconfiguration';
const patchWebhooks = (patch: object) => kubectl('patch', webhooks, 'frp-k8s', '--type=json', '-p', JSON.stringify(patch));

/** `reason`: the only one that is said. */
const faults: readonly { fault: string; make: () => Promise<unknown>; reason: string }[] = [
  { fault: 'a misspelled group', make: () => annotate({ 'frp.io/group': 'chekced' }), reason: 'UnknownGroup' },
  { fault: 'a misspelled annotation', make: () => annotate({ 'frp.io/wieght': '3' }), reason: 'AnnotationUnknown' },
  { fault: 'an annotation with another prefix', make: () => annotate({ 'frp-io/weight': '3' }), reason: 'AnnotationUnknown' },
  {
    fault: 'a namespace where injection is switched off',
    make: () => kubectl('label', 'namespace', ns, 'frp.io/injection=disabled'),
    reason: 'NamespaceOptedOut',
  },
  {
    fault: 'an annotation of the Namespace that is for Pods',
    make: () => kubectl('annotate', 'namespace', ns, `frp.io/group=${name}`),
    reason: 'AnnotationIneffective',
  },
  {
    fault: 'credentials that nobody has allowed the use of',
    make: async () => {
      await apply({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: ns, name: 'tokens' }, stringData: { token: 'secret' } });
      const security = { authentication: { type: 'token', tokenSecret: 'tokens' } };
      await kubectl('-n', ns, 'patch', 'dsvc', name, '--type=merge', '-p', JSON.stringify({ spec: { security } }));
    },
    reason: 'SecretMissing',
  },
  {
    fault: 'a Secret of a service that is gone',
    make: () =>
      apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace: ns, name: 'frp-old-tls', labels: { 'app.kubernetes.io/managed-by': 'frp-k8s', 'frp.io/service': 'old' } },
      }),
    reason: 'OrphanedSecret',
  },
  {
    fault: 'a NetworkPolicy that lets Pods out to the DNS alone',
    make: () =>
      apply({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { namespace: ns, name: 'narrow' },
        spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ protocol: 'UDP', port: 53 }] }] },
      }),
    reason: 'PolicyBlocksTunnel',
  },
  {
    fault: 'webhooks that are scaled to 0',
    make: () => kubectl('-n', system, 'scale', 'deployment/frp-webhook', '--replicas=0'),
    reason: 'ScaledToZero',
  },
  {
    fault: 'a controller that is scaled to 0',
    make: () => kubectl('-n', system, 'scale', 'deployment/frp-controller', '--replicas=0'),
    reason: 'ScaledToZero',
  },
  {
    fault: 'a failure policy that lets Pods by',
    make: () => patchWebhooks([{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }]),
    reason: 'FailurePolicyWeak',
  },
  {
    fault: 'an objectSelector on a webhook',
    make: () => patchWebhooks([{ op: 'replace', path: '/webhooks/0/objectSelector', value: { matchLabels: { inject: 'yes' } } }]),
    reason: 'WebhookNarrowed',
  },
  {
    fault: 'a Service for users without its port for https',
    make: () =>
      kubectl(
        '-n',
        'frp-gateway',
        'patch',
        'service',
        'frp-gateway-users',
        '--type=json',
        '-p',
        '[{"op":"remove","path":"/spec/ports/1"}]',
      ),
    reason: 'UsersPortMissing',
  },
  { fault: 'mutating webhooks that are gone', make: () => kubectl('delete', webhooks, 'frp-k8s'), reason: 'WebhookMissing' },
];

suite('frp-k8s check', () => {
  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    await apply(httpService(ns, name, 'checked.example.com'), deployment({ namespace: ns, name, frp: { group: name } }));
    await rolledOut(ns, name);
    await servedBy('checked.example.com', 1, users);
  });

  test('says that nothing is wrong, and gets a real request through by each replica', async () => {
    await isWell();
    const { findings } = await check('--traffic');
    assert.deepEqual(findings.map(lineOf), []);
  });

  for (const { fault, make, reason } of faults)
    test(`names ${fault}, and mends it by the remedy as printed`, async () => {
      await make();
      const found = await eventually(`the check names ${fault}`, async () => {
        const { findings } = await check();
        // Pods that start because of the fault are said too, until they have.
        assert.deepEqual([...new Set(findings.map((each) => each.reason))], [reason], findings.map(lineOf).join('\n'));
        return findings;
      });
      await must('sh', ['-c', found[0]!.remedy!], { cwd: root });
      await isWell();
    });
});
