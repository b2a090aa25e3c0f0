/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- a fault may be anywhere in what was read */
/** Remedies that are commands: each as it is printed, for a fault of a healthy installation. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { allChecks } from '../../../src/diagnose/checks/all.ts';
import { runChecks } from '../../../src/diagnose/run.ts';
import type { Probes } from '../../../src/diagnose/probes.ts';
import type { Snapshot } from '../../../src/diagnose/snapshot.ts';
import { withFindings } from '../../../src/explain/findings.ts';
import { bad, type Explanation } from '../../../src/explain/explanation.ts';
import { annotate, type Draft } from './faults.ts';
import { condition, healthy, ok, working } from './healthy.ts';

const template = (annotations: string) =>
  `kubectl -n shop patch deployment web --type=merge -p '{"spec":{"template":{"metadata":{"annotations":${annotations}}}}}'`;
const spec = (change: string) => `kubectl -n shop patch dsvc web --type=merge -p '{"spec":${change}}'`;

/** Its condition is not True. */
function says(draft: Draft, type: string, reason: string, message: string): void {
  const { status } = draft.services.ok[0];
  status.conditions = [...status.conditions.filter((each: Draft) => each.type !== type), condition(type, 'False', reason, message)];
}
function unhealthy(draft: Draft, reason: string): void {
  draft.services.ok[0].status.endpoints = [{ name: 'web-1', healthy: false, reason }];
  draft.pods.ok[0].metadata.ownerReferences = [{ kind: 'ReplicaSet', name: 'web-7d9f', controller: true }];
  says(draft, 'BackendsAvailable', 'BackendsUnhealthy', `1 unhealthy: ${reason}`);
}
const app = (draft: Draft) => draft.pods.ok[0].spec.containers[0];
const declared = (draft: Draft) => draft.workloads.ok[0].spec.template.spec.containers[0];
const inSecret = (field: string, rest: string) => `Secret shop/creds (${field}): ${rest}`;

const remedies: readonly { fault: string; breaks: (draft: Draft) => void; probes?: Partial<Probes>; remedy: string | RegExp }[] = [
  {
    fault: 'one of two groups that is misspelled',
    breaks: (d) => annotate(d, { 'frp.io/group': 'web,wep' }),
    remedy: template('{"frp.io/group":"web,web"}'),
  },
  {
    fault: 'one of two groups that is like no other',
    breaks: (d) => annotate(d, { 'frp.io/group': 'web,something-else' }),
    remedy: template('{"frp.io/group":"web"}'),
  },
  {
    fault: 'a group that there never was',
    breaks: (d) => annotate(d, { 'frp.io/group': 'something-else' }),
    remedy: template('{"frp.io/group":null}'),
  },
  { fault: 'a wrong value', breaks: (d) => annotate(d, { 'frp.io/weight': 'many' }), remedy: template('{"frp.io/weight":null}') },
  {
    fault: 'a port that was renamed',
    breaks: (d) => {
      annotate(d, { 'frp.io/port': 'web' });
      declared(d).ports = [{ name: 'http', containerPort: 8080 }];
    },
    remedy: template('{"frp.io/port":"http"}'),
  },
  {
    fault: 'two ports of which none is named',
    breaks: (d) => (declared(d).ports = [{ containerPort: 8080 }, { containerPort: 9090 }]),
    remedy: template('{"frp.io/port":"8080"}'),
  },
  {
    fault: 'two ports of which none is named, and the kubelet asks the second',
    breaks: (d) =>
      Object.assign(declared(d), {
        ports: [{ containerPort: 9090 }, { name: 'http', containerPort: 8080 }],
        readinessProbe: { httpGet: { port: 8080 } },
      }),
    remedy: template('{"frp.io/port":"http"}'),
  },
  {
    fault: 'no port at all, of which nothing can be known',
    breaks: (d) => (declared(d).ports = []),
    remedy: 'kubectl -n shop edit deployment web',
  },
  {
    fault: 'an image of a change that cannot be pulled, while Pods of before serve',
    breaks: (d) => {
      d.workloads.ok[0].status = { replicas: 2, updatedReplicas: 1, readyReplicas: 1 };
      d.pods.ok[0].metadata.ownerReferences = [{ kind: 'ReplicaSet', name: 'web-7d9f', controller: true }];
      d.pods.ok[0].status.containerStatuses = [{ name: 'app', state: { waiting: { reason: 'ErrImagePull' } } }];
    },
    remedy: 'kubectl -n shop rollout undo deployment/web',
  },
  {
    fault: 'an image that cannot be pulled, with nothing before it',
    breaks: (d) => {
      d.workloads.ok[0].status = { replicas: 1, updatedReplicas: 1, readyReplicas: 0 };
      d.pods.ok[0].metadata.ownerReferences = [{ kind: 'ReplicaSet', name: 'web-7d9f', controller: true }];
      d.pods.ok[0].status.containerStatuses = [{ name: 'app', state: { waiting: { reason: 'ErrImagePull' } } }];
    },
    remedy: 'kubectl -n shop describe pod web-1',
  },
  {
    fault: 'a change of the webhooks that cannot be pulled, while those of before serve',
    breaks: (d) => {
      const found = d.installation.workloads.ok.find((each: Draft) => each.metadata.name === 'frp-webhook');
      found.status = { replicas: 3, updatedReplicas: 1, readyReplicas: 2 };
      const pod = d.installation.pods.ok.find((each: Draft) => each.metadata.labels.app === 'frp-webhook');
      pod.metadata.ownerReferences = [{ kind: 'ReplicaSet', name: 'frp-webhook-7d9f', controller: true }];
      pod.status = { containerStatuses: [{ name: 'webhook', state: { waiting: { reason: 'ErrImagePull' } } }] };
    },
    remedy: 'kubectl -n frp-system rollout undo deployment/frp-webhook',
  },
  {
    fault: 'a port that the app does not listen on',
    breaks: (d) => {
      unhealthy(d, 'its port takes no connections');
      app(d).ports = [{ containerPort: 9090 }];
    },
    remedy: template('{"frp.io/port":"9090"}'),
  },
  {
    fault: "an app that listens at the Pod's address alone",
    breaks: (d) => {
      unhealthy(d, 'its port takes no connections');
      app(d).readinessProbe = { httpGet: { port: 8080 } };
    },
    remedy: template('{"frp.io/app-address":"podIP"}'),
  },
  {
    fault: 'a path of the health check that the app does not have, and one that the kubelet finds well',
    breaks: (d) => {
      unhealthy(d, 'GET /health answered 404');
      app(d).ports = [{ name: 'http', containerPort: 8080 }];
      app(d).readinessProbe = { httpGet: { port: 'http', path: '/ready' } };
    },
    remedy: spec('{"loadBalancing":{"healthCheck":{"path":"/ready"}}}'),
  },
  {
    fault: 'an app that is not Ready, and fails its health check',
    breaks: (d) => {
      unhealthy(d, 'GET /health answered 500');
      app(d).readinessProbe = { httpGet: { port: 8080, path: '/ready' } };
      d.pods.ok[0].status.conditions[0].status = 'False';
    },
    remedy: 'kubectl -n shop logs web-1',
  },
  {
    fault: 'a udp service at the gateway',
    breaks: (d) => {
      d.services.ok[0].spec = { serviceType: 'udp', backends: {}, expose: { type: 'port', port: 5300 } };
      d.workloads.ok = [];
      says(d, 'ConfigurationValid', 'UdpNeedsPlainServer', 'the gateway serves no udp');
      d.installation.workloads.ok.push({
        kind: 'Deployment',
        metadata: { namespace: 'frp-system', name: 'frp-server' },
        spec: { replicas: 0 },
      });
    },
    remedy: spec('{"gateway":false}'),
  },
  {
    fault: 'a rate limit at the plain frp server',
    breaks: (d) => {
      d.services.ok[0].spec = { ...d.services.ok[0].spec, gateway: false, security: { rateLimit: { requestsPerSecond: 5 } } };
      d.workloads.ok = [];
      says(d, 'ConfigurationValid', 'GatewayRequired', 'spec.security.rateLimit cannot be enforced');
    },
    remedy: spec('{"gateway":null}'),
  },
  {
    fault: 'a host of another namespace',
    breaks: (d) => says(d, 'ConfigurationValid', 'HostConflict', 'it belongs to another'),
    remedy: spec('{"expose":{"domain":"web-shop.example.com"}}'),
  },
  {
    fault: 'a token that is empty',
    breaks: (d) => {
      d.services.ok[0].spec.security = { authentication: { type: 'token', tokenSecret: 'creds' } };
      says(
        d,
        'ConfigurationValid',
        'CredentialsMissing',
        inSecret('spec.security.authentication.tokenSecret', 'key "token" is absent or empty'),
      );
    },
    remedy: /^kubectl -n shop patch secret creds --type=merge -p '\{"stringData":\{"token":"'"\$\(head .*\)"'"\}\}'$/,
  },
  {
    fault: 'a certificate that has ended',
    breaks: (d) =>
      says(d, 'CertificatesReady', 'CertificateExpired', inSecret('spec.expose.tls.secretName', 'it expired; replace tls.crt and tls.key')),
    remedy: 'kubectl -n shop create secret tls creds --cert=tls.crt --key=tls.key --dry-run=client -o yaml | kubectl apply -f -',
  },
  {
    fault: 'a certificate for users that is not there',
    breaks: (d) =>
      says(
        d,
        'CertificatesReady',
        'SecretMissing',
        inSecret('spec.expose.tls.secretName', 'label it: kubectl -n shop label secret creds frp.io/use=true'),
      ),
    probes: { secretMetadata: () => Promise.resolve({ absent: 'Secret' }) },
    remedy: 'kubectl -n shop create secret tls creds --cert=tls.crt --key=tls.key && kubectl -n shop label secret creds frp.io/use=true',
  },
  {
    fault: 'a Service that has the name of the one for the cluster',
    breaks: (d) =>
      says(
        d,
        'ClusterServiceReady',
        'NameTaken',
        'Service shop/web exists and was not made by frp-k8s for this service, so it is left alone',
      ),
    remedy: spec('{"expose":{"clusterService":{"name":"web-frp"}}}'),
  },
  {
    fault: "a deletion that somebody else's finalizer holds up",
    breaks: (d) => {
      d.services.ok[0].metadata = {
        ...d.services.ok[0].metadata,
        deletionTimestamp: '2020-01-01T00:00:00Z',
        finalizers: ['frp.io/cleanup', 'example.com/hold'],
      };
      d.workloads.ok = [];
    },
    remedy: `kubectl -n shop patch dsvc web --type=json -p '[{"op":"remove","path":"/metadata/finalizers/1"}]'`,
  },
  {
    fault: 'a configuration that was edited after it had been applied',
    breaks: (d) => {
      d.configMap.ok.metadata.annotations = {
        'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ data: d.configMap.ok.data }),
      };
      d.configMap.ok.data = { 'config.yaml': 'gateway: {' };
      d.config = { failed: 'it is no YAML' };
    },
    remedy: 'kubectl apply -k manifests/gateway',
  },
  {
    fault: 'a configuration that was applied as it is',
    breaks: (d) => {
      d.configMap.ok.data = { 'config.yaml': 'gateway: {' };
      d.configMap.ok.metadata.annotations = {
        'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ data: d.configMap.ok.data }),
      };
      d.config = { failed: 'it is no YAML' };
    },
    remedy: 'kubectl -n frp-system edit configmap frp-k8s-config',
  },
  {
    fault: 'a webhook of somebody else that takes sidecars out',
    breaks: (d) =>
      d.mutating.ok.push({
        metadata: { name: 'theirs' },
        webhooks: [
          { name: 'nodes', clientConfig: {}, rules: [{ operations: ['CREATE'], resources: ['nodes'] }] },
          {
            name: 'pods',
            clientConfig: {},
            rules: [{ operations: ['CREATE'], resources: ['pods'] }],
            objectSelector: { matchLabels: { a: 'b' } },
          },
        ],
      }),
    probes: {
      dryRunPod: (pod) => Promise.resolve(ok({ ...pod, metadata: { ...pod.metadata, labels: { 'frp.io/sidecar': 'injected' } } })),
    },
    remedy:
      'kubectl patch mutatingwebhookconfiguration theirs --type=json ' +
      `-p '[{"op":"add","path":"/webhooks/1/objectSelector","value":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"frp.io/sidecar","operator":"DoesNotExist"}]}}]'`,
  },
];

async function foundIn(draft: Draft, probes?: Partial<Probes>) {
  const { findings } = await runChecks(allChecks, { snapshot: draft as Snapshot, probes: working(probes) });
  return findings.filter(({ level }) => level !== 'ok');
}

describe('the remedy of a fault', () => {
  for (const { fault, breaks, probes, remedy } of remedies)
    it(`is the command that mends it: ${fault}`, async () => {
      const draft: Draft = healthy();
      breaks(draft);
      const [first] = await foundIn(draft, probes);
      if (remedy instanceof RegExp) assert.match(first?.remedy ?? '', remedy);
      else assert.equal(first?.remedy, remedy);
    });

  it('says nothing of the Pods of a workload that names a service which is gone: new ones would be refused', async () => {
    const draft: Draft = healthy();
    draft.services.ok = [];
    draft.pods.ok[0].metadata.ownerReferences = [{ kind: 'ReplicaSet', name: 'web-7d9f', controller: true }];
    const found = await foundIn(draft);
    assert.deepEqual(
      found.map(({ check, reason }) => `${check} ${reason}`),
      ['templates UnknownGroup', 'orphaned-secrets OrphanedSecret'].toReversed(),
    );
  });

  it('is text alone to a shell, whatever users have written into an annotation', async () => {
    const draft: Draft = healthy();
    const value = `3'; echo broken out; '`;
    annotate(draft, { 'frp.io/wieght': value });
    const [{ remedy } = { remedy: '' }] = await foundIn(draft);
    const patch = execFileSync('sh', ['-c', `kubectl() { eval "printf %s \\"\\\${$#}\\""; }; ${remedy}`], { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(patch), {
      spec: { template: { metadata: { annotations: { 'frp.io/wieght': null, 'frp.io/weight': value } } } },
    });
  });
});

describe('an explanation', () => {
  const told = (lines: Explanation['sections'][0]['lines']): Explanation => ({
    subject: { kind: 'DistributedService', namespace: 'shop', name: 'web' },
    sections: [{ title: 'Status', lines }],
  });

  it('has the remedy of the check for what it tells already', async () => {
    const draft: Draft = healthy();
    says(draft, 'ConfigurationValid', 'HostConflict', 'it belongs to another');
    const { sections } = await withFindings(
      told([bad('HostConflict: it belongs to another', 'HostConflict')]),
      draft as Snapshot,
      working(),
    );
    assert.equal(sections[0]?.lines[0]?.remedy, spec('{"expose":{"domain":"web-shop.example.com"}}'));
    assert.deepEqual(sections[1]?.lines, []);
  });

  it('tells what is wrong with the installation that it rests on, and nothing of other namespaces', async () => {
    const draft: Draft = healthy();
    draft.mutating.ok = [];
    draft.services.ok.push({ ...structuredClone(draft.services.ok[0]), metadata: { namespace: 'other', name: 'x', generation: 1 } });
    draft.services.ok[1].status.conditions = [condition('ConfigurationValid', 'False', 'HostConflict')];
    const { sections } = await withFindings(told([]), draft as Snapshot, working());
    assert.deepEqual(
      sections[1]?.lines.map(({ reason, level, remedy }) => [reason, level, remedy]),
      [['WebhookMissing', 'error', 'kubectl apply -k manifests/gateway']],
    );
  });
});
