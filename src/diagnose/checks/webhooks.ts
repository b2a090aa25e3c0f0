/** Whether the API server asks the webhooks, trusts them, and a Pod really comes back injected. */
import { parseable } from '../../../certs/inspect.ts';
import { label, webhookAuthoritySecretName } from '../../model/names.ts';
import { webhookConfigurationName as own } from '../../kube/managers.ts';
import type { Check, Said } from '../finding.ts';
import { valueOf, type Read } from '../read.ts';
import { applyAll, look, lookAll, warning, wrong } from '../say.ts';
import type { Webhook, Webhooks } from '../shapes.ts';
import type { Snapshot } from '../snapshot.ts';
import { dryRunCheck } from './dry-run.ts';

/** Of each kind the entries, and what becomes of a request while nobody answers. */
export const expected = {
  MutatingWebhookConfiguration: {
    'annotated.pods.frp.io': 'Fail',
    'selector.pods.frp.io': 'Fail',
    'distributedservices.frp.io': 'Fail',
  },
  ValidatingWebhookConfiguration: {
    'distributedservices.frp.io': 'Fail',
    'workloads.frp.io': 'Ignore',
    'selector.workloads.frp.io': 'Ignore',
  },
} as const;
type Kind = keyof typeof expected;

const answerOf = (snapshot: Snapshot, kind: Kind): Read<readonly Webhooks[]> =>
  kind === 'MutatingWebhookConfiguration' ? snapshot.mutating : snapshot.validating;

const entries = (snapshot: Snapshot, kind: Kind): readonly Webhook[] =>
  valueOf(answerOf(snapshot, kind))?.find(({ metadata }) => metadata.name === own)?.webhooks ?? [];

const restart = ({ installation }: Snapshot) => `kubectl -n ${installation.name} rollout restart deployment/frp-webhook`;

const present = (id: string, title: string, kind: Kind): Check => ({
  id,
  category: 'webhooks',
  title,
  after: ['namespace'],
  run: ({ snapshot }) =>
    look(answerOf(snapshot, kind), (all) => {
      const apply = applyAll(snapshot);
      const object = { kind, name: own };
      const found = all.find(({ metadata }) => metadata.name === own);
      if (!found) return [wrong('WebhookMissing', object, 'it is not there', apply)];
      const names = new Set(found.webhooks?.map(({ name }) => name));
      const lacking = Object.keys(expected[kind]).filter((name) => !names.has(name));
      return lacking.length === 0 ? [] : [wrong('WebhookMissing', object, `it lacks ${lacking.join(', ')}`, apply)];
    }),
});

/** A check of each entry that is there. */
const each = (
  id: string,
  title: string,
  say: (webhook: Webhook, kind: Kind, snapshot: Snapshot) => readonly Said[],
  after: readonly string[] = [],
): Check => ({
  id,
  category: 'webhooks',
  title,
  after: ['namespace', ...after],
  run: ({ snapshot }) =>
    lookAll(snapshot.mutating, snapshot.validating, () =>
      (Object.keys(expected) as Kind[]).flatMap((kind) =>
        together(entries(snapshot, kind).flatMap((webhook) => say(webhook, kind, snapshot))),
      ),
    ),
});

/** One finding for all entries of a configuration that are wrong in the same way. */
function together(said: readonly Said[]): readonly Said[] {
  const [first] = said;
  return first && said.every(({ reason, message }) => reason === first.reason && message === first.message) ? [first] : said;
}

/** Changes one field of an entry, and nothing else. */
function patched(snapshot: Snapshot, kind: Kind, name: string, { path, ...change }: { op: string; path: string; value: unknown }): string {
  const index = entries(snapshot, kind).findIndex((each) => each.name === name);
  return `kubectl patch ${kind.toLowerCase()} ${own} --type=json -p '${JSON.stringify([{ ...change, path: `/webhooks/${index}/${path}` }])}'`;
}

export const webhookChecks: readonly Check[] = [
  present('mutating', 'Pods and services are sent to the mutating webhooks', 'MutatingWebhookConfiguration'),
  present('validating', 'services and workloads are sent to the validating webhooks', 'ValidatingWebhookConfiguration'),
  each('ca-bundle-present', 'the API server has an authority to verify the webhooks with', ({ clientConfig }, kind, snapshot) =>
    clientConfig.caBundle ? [] : [wrong('CaBundleMissing', { kind, name: own }, 'its caBundle is empty', restart(snapshot))],
  ),
  {
    id: 'ca-bundle',
    category: 'webhooks',
    title: "that authority is the one that issues the webhooks' certificate",
    after: ['namespace', 'ca-bundle-present', 'configuration'],
    run: ({ snapshot }) => caBundles(snapshot),
  },
  each('webhook-service', 'the Service that the webhooks are called by is there', ({ clientConfig: { service } }, kind, snapshot) => {
    const { installation } = snapshot;
    const apply = applyAll(snapshot);
    if (!service) return [];
    const object = { kind: 'Service', namespace: service.namespace, name: service.name };
    if (service.namespace !== installation.name)
      return [
        wrong(
          'WebhookServiceMissing',
          { kind, name: own },
          `it calls Service ${service.namespace}/${service.name}, and the installation is in ${installation.name}`,
          apply,
        ),
      ];
    const found = valueOf(installation.services)?.find(({ metadata }) => metadata.name === service.name);
    if (!found) return 'ok' in installation.services ? [wrong('WebhookServiceMissing', object, 'it is not there', apply)] : [];
    const port = service.port ?? 443;
    if (found.spec?.ports?.some((each) => each.port === port)) return [];
    return [wrong('WebhookServiceMissing', object, `it has no port ${port}, which the webhooks are called at`, apply)];
  }),
  {
    id: 'webhook-endpoints',
    category: 'webhooks',
    title: 'a Ready Pod is behind that Service',
    after: ['namespace', 'webhook-pods', 'webhook-service'],
    run: ({ snapshot }) =>
      look(snapshot.installation.endpointSlices, (slices) => {
        const ready = slices
          .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'frp-webhook')
          .flatMap(({ endpoints }) => endpoints ?? [])
          .filter(({ conditions }) => conditions?.ready !== false);
        if (ready.length > 0) return [];
        const object = { kind: 'Service', namespace: snapshot.installation.name, name: 'frp-webhook' };
        return [
          // Its Pods are Ready, or this would not be asked.
          wrong('WebhookNoEndpoints', object, 'it leads to no Ready Pod', applyAll(snapshot)),
        ];
      }),
  },
  each(
    'failure-policy',
    'no Pod that asks for a sidecar gets by while the webhooks are away',
    ({ name, failurePolicy }, kind, snapshot) => {
      const wanted = (expected[kind] as Record<string, string>)[name];
      if (wanted !== 'Fail' || failurePolicy !== 'Ignore') return [];
      return [
        warning(
          'FailurePolicyWeak',
          { kind, name: own },
          `failurePolicy of ${name} is Ignore`,
          patched(snapshot, kind, name, { op: 'replace', path: 'failurePolicy', value: 'Fail' }),
        ),
      ];
    },
  ),
  each(
    'scope',
    'the webhooks are asked about all that they should be',
    ({ name, rules, namespaceSelector, objectSelector }, kind, snapshot) => {
      const object = { kind, name: own };
      if (!rules?.some(({ operations = [] }) => operations.includes('CREATE') || operations.includes('*')))
        return [wrong('WebhookNarrowed', object, `${name} has no rule for CREATE`, applyAll(snapshot))];
      if (Object.keys(objectSelector?.matchLabels ?? {}).length > 0 || (objectSelector?.matchExpressions ?? []).length > 0)
        return [
          wrong(
            'WebhookNarrowed',
            object,
            `${name} has an objectSelector, so Pods without those labels come without a sidecar`,
            patched(snapshot, kind, name, { op: 'replace', path: 'objectSelector', value: {} }),
          ),
        ];
      const others = Object.keys(namespaceSelector?.matchLabels ?? {});
      const foreign = (namespaceSelector?.matchExpressions ?? []).filter(
        ({ key }) => key !== label.injection && key !== 'kubernetes.io/metadata.name',
      );
      if (others.length + foreign.length === 0) return [];
      const keys = [...others, ...foreign.map(({ key }) => key)].join(', ');
      return [warning('WebhookNarrowed', object, `${name} is asked in namespaces by ${keys} alone`, applyAll(snapshot))];
    },
  ),
  dryRunCheck,
];

/** With a certificate of somebody else (tls of the configuration, cert-manager) it is theirs to write. */
function caBundles(snapshot: Snapshot): readonly Said[] {
  const config = valueOf(snapshot.config);
  const secret = snapshot.installation.secrets.get(webhookAuthoritySecretName);
  if (config?.tls || !secret) return [];
  return look(secret, ({ certificates }) => {
    const known = new Set(parseable(certificates['tls.crt'] ?? '').map(({ fingerprint256 }) => fingerprint256));
    if (known.size === 0) return [];
    return (Object.keys(expected) as Kind[]).flatMap((kind) => {
      const bad = entries(snapshot, kind).filter(({ clientConfig: { caBundle = '' } }) => {
        const bundle = parseable(Buffer.from(caBundle, 'base64').toString('utf8'));
        return !bundle.some(({ fingerprint256 }) => known.has(fingerprint256));
      });
      if (bad.length === 0) return [];
      const message = `caBundle of ${bad.map(({ name }) => name).join(', ')} is not of the authority in Secret ${snapshot.installation.name}/${webhookAuthoritySecretName}`;
      return [wrong('CaBundleMismatch', { kind, name: own }, message, restart(snapshot))];
    });
  });
}
