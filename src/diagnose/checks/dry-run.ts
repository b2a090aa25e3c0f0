/** A Pod that asks for a sidecar, tried by a dry run: the API server does all that it does otherwise, and stores nothing. */
import { annotation, label } from '../../model/names.ts';
import { exposuresOf } from '../../model/exposure.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Check, CheckContext, Said } from '../finding.ts';
import { exempting, podChangers } from '../other-webhooks.ts';
import { itemsOf, valueOf } from '../read.ts';
import { applyAll, unknown, wrong } from '../say.ts';
import type { Snapshot } from '../snapshot.ts';

/** A group that no namespace has: the webhooks refuse it, which shows that they are asked. */
const nobody = 'frp-k8s-check-does-not-exist';
const mostTried = 3;

export const dryRunCheck: Check = {
  id: 'dry-run',
  category: 'webhooks',
  title: 'a Pod that asks for a sidecar comes back with one',
  after: ['namespace', 'crd', 'mutating', 'scope', 'webhook-pods', 'webhook-endpoints', 'ca-bundle'],
  run: async (context) => {
    if (!context.probes) return [];
    const tried = servicesToTry(context.snapshot);
    const namespace = context.snapshot.namespace ?? 'default';
    if (tried.length === 0) return isDisabled(context.snapshot, namespace) ? [] : tryPod(context, namespace, nobody);
    return (await Promise.all(tried.map(({ metadata }) => tryPod(context, metadata.namespace ?? 'default', metadata.name)))).flat();
  },
};

const isDisabled = ({ namespaces }: Snapshot, name: string): boolean =>
  itemsOf(namespaces).some(({ metadata }) => metadata.name === name && metadata.labels?.[label.injection] === 'disabled');

/** One of each namespace where Pods are injected: a service that is valid, so that nothing else speaks against the Pod. */
function servicesToTry({ services, namespaces, config }: Snapshot): DistributedService[] {
  const disabled = new Set(
    itemsOf(namespaces).flatMap(({ metadata }) => (metadata.labels?.[label.injection] === 'disabled' ? [metadata.name] : [])),
  );
  const byNamespace = new Map<string, DistributedService>();
  for (const service of itemsOf(services)) {
    const { namespace = '', deletionTimestamp } = service.metadata;
    const isValid = service.status?.conditions?.some(({ type, status }) => type === 'ConfigurationValid' && status === 'True');
    const takesPods = service.spec.backends.endpoints === undefined && exposuresOf(service.spec, valueOf(config)?.baseDomain).length > 0;
    if (!isValid || !takesPods || deletionTimestamp !== undefined || disabled.has(namespace) || byNamespace.has(namespace)) continue;
    byNamespace.set(namespace, service);
  }
  return [...byNamespace.values()].slice(0, mostTried);
}

/** As the strictest namespace takes it. */
const podFor = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'frp-k8s-check',
    namespace,
    annotations: { [annotation.group]: name, [annotation.port]: '8080' },
  },
  spec: {
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'app',
        image: 'frp-k8s-check',
        ports: [{ containerPort: 8080 }],
        resources: { requests: { cpu: '1m', memory: '1Mi' }, limits: { cpu: '1m', memory: '1Mi' } },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
});

async function tryPod({ probes, snapshot }: CheckContext, namespace: string, name: string): Promise<readonly Said[]> {
  const answer = await probes!.dryRunPod(podFor(namespace, name));
  const object = { kind: 'Namespace', name: namespace };
  const pods = `kubectl -n ${snapshot.installation.name} get pods -l app=frp-webhook`;
  if ('forbidden' in answer) return [unknown(`this account may not create Pods in namespace ${namespace}, so none was tried (dry run)`)];
  if ('absent' in answer) return [unknown(`namespace ${namespace} is not there`)];
  if ('failed' in answer) return refused(answer.failed, name, object, pods);
  const { metadata, spec } = answer.ok;
  if (spec?.initContainers?.some(({ name: container }) => container.startsWith('frpc'))) return [];
  const wasInjected =
    Object.keys(metadata.annotations ?? {}).some((key) => key.endsWith('frpc.json')) || metadata.labels?.[label.sidecar] !== undefined;
  return wasInjected
    ? [removed(object, snapshot)]
    : [
        wrong(
          'SidecarNotAdded',
          object,
          'a Pod with frp.io/group came back without a sidecar: the webhooks were not asked',
          `kubectl get namespace ${namespace} --show-labels; ${applyAll(snapshot)}`,
        ),
      ];
}

/** Where only one can have done it, it is told how it is kept from it. */
function removed(object: { kind: string; name: string }, snapshot: Snapshot): Said {
  const [one, ...others] = podChangers(snapshot);
  const names = [one, ...others].flatMap((each) => each?.metadata.name ?? []).slice(0, 5);
  const who = names.length === 0 ? '' : ` (MutatingWebhookConfiguration ${names.join(', ')})`;
  const remedy = one && others.length === 0 ? exempting(one) : 'kubectl get mutatingwebhookconfigurations';
  return wrong(
    'SidecarRemoved',
    object,
    `a Pod was injected, and came back without its sidecar: another webhook takes it out${who}`,
    remedy,
  );
}

function refused(message: string, name: string, object: { kind: string; name: string }, pods: string): readonly Said[] {
  if (/failed calling webhook "[^"]*frp\.io"/.test(message)) return [wrong('WebhookUnreachable', object, message, pods)];
  const isOurs = /admission webhook "[^"]*\.frp\.io" denied/.test(message);
  if (isOurs && name === nobody) return [];
  if (isOurs)
    return [
      wrong(
        'PodRejected',
        object,
        `the webhooks refuse a Pod of group ${name}: ${message}`,
        `frp-k8s explain service ${name} -n ${object.name}`,
      ),
    ];
  // A quota that is used up may be meant to be: a workload that it keeps from its Pods says so.
  if (message.includes('exceeded quota: ')) return [];
  if (message.includes('serviceaccount ') && message.includes(' not found'))
    return [unknown(`no Pod could be tried in namespace ${object.name}: ${message}`)];
  return [
    wrong(
      'PodRejected',
      object,
      `a Pod with a sidecar is refused: ${message}`,
      `kubectl get namespace ${object.name} --show-labels; kubectl -n ${object.name} describe resourcequota`,
    ),
  ];
}
