/** Whether all parts of the installation are there, run, and are of one version. */
import { group, label, leaseName, manager, plural } from '../../model/names.ts';
import { customResourceDefinition } from '../../model/crd.ts';
import type { Check, Said } from '../finding.ts';
import { valueOf } from '../read.ts';
import { applyAll, applying, correcting, few, look, lookAll, named, warning, wrong } from '../say.ts';
import { containsJson } from '../contains.ts';
import { imagesOf, workloadProblems } from '../workload-problem.ts';
import type { Snapshot } from '../snapshot.ts';

const crdName = { kind: 'CustomResourceDefinition', name: `${plural}.${group}` };
const leaseFactor = 4;

const deployment = (id: string, title: string, name: string): Check => ({
  id,
  category: 'installation',
  title,
  after: ['namespace'],
  run: ({ snapshot }) => workloadProblems(snapshot.installation, 'Deployment', name, applyAll(snapshot)),
});

export const installationChecks: readonly Check[] = [
  {
    id: 'namespace',
    category: 'installation',
    title: 'the namespace of the installation is there',
    after: ['api'],
    run: ({ snapshot }) => {
      const { installation } = snapshot;
      const object = { kind: 'Namespace', name: installation.name };
      return look(
        installation.namespace,
        ({ metadata }) =>
          metadata.deletionTimestamp === undefined
            ? []
            : [wrong('InstallationEnding', object, `it is being deleted since ${metadata.deletionTimestamp}`, 'frp-k8s uninstall')],
        () => [
          wrong(
            'NamespaceMissing',
            object,
            'frp-k8s is not installed there',
            `${applying(snapshot, 'install')}, or name its namespace with --system`,
          ),
        ],
      );
    },
  },
  {
    id: 'crd',
    category: 'installation',
    title: 'the CRD of DistributedServices is there and served',
    after: ['namespace'],
    run: ({ snapshot }) =>
      look(
        snapshot.crd,
        ({ status }) => {
          const bad = status?.conditions?.find(
            ({ type, status: is }) => (type === 'Established' || type === 'NamesAccepted') && is === 'False',
          );
          return bad ? [wrong('CrdNotEstablished', crdName, bad.message ?? bad.type, `kubectl describe crd ${crdName.name}`)] : [];
        },
        () => [wrong('CrdMissing', crdName, 'it is not there, so the cluster knows no DistributedServices', applying(snapshot, 'crd'))],
      ),
  },
  {
    id: 'crd-equal',
    category: 'installation',
    title: "the CRD is this program's",
    after: ['namespace', 'crd'],
    run: ({ snapshot }) =>
      look(snapshot.crd, ({ spec }) => {
        const ours = customResourceDefinition().spec.versions;
        const lacking = ours.flatMap((version) => {
          const theirs = spec?.versions?.find(({ name }) => name === version.name);
          if (!theirs) return [`version ${version.name}`];
          const path = containsJson(theirs.schema, version.schema);
          return path === undefined ? [] : [`${version.name} at ${path}`];
        });
        return lacking.length === 0
          ? []
          : [warning('CrdDiffers', crdName, `it differs from that of this program: ${lacking.join(', ')}`, applying(snapshot, 'crd'))];
      }),
  },
  deployment('webhook-pods', 'the webhooks run and are Ready', 'frp-webhook'),
  deployment('controller-pods', 'the controller runs and is Ready', 'frp-controller'),
  {
    id: 'configuration',
    category: 'installation',
    title: 'the configuration is there and valid',
    after: ['namespace', 'webhook-pods'],
    run: ({ snapshot }) => {
      const { configMap, config, installation } = snapshot;
      const object = { kind: 'ConfigMap', namespace: installation.name, name: valueOf(configMap)?.metadata.name ?? 'frp-k8s-config' };
      if ('absent' in configMap) return [wrong('ConfigurationMissing', object, `${configMap.absent}: it is not there`, applyAll(snapshot))];
      if ('ok' in configMap && 'failed' in config) return [wrong('ConfigurationInvalid', object, config.failed, correcting(snapshot))];
      return look(config, () => []);
    },
  },
  {
    id: 'versions',
    category: 'installation',
    title: 'all parts run one version of frp-k8s',
    after: ['namespace', 'webhook-pods', 'controller-pods'],
    run: ({ snapshot }) =>
      lookAll(snapshot.installation.workloads, snapshot.gateway.workloads, (own, others) => {
        const images = imagesOf([...own, ...others]);
        if (images.size <= 1) return [];
        const said = [...images].map(([image, parts]) => `${image}: ${parts.join(', ')}`).join('; ');
        return [warning('VersionSkew', undefined, `there are ${images.size} images of it: ${said}`, applyAll(snapshot))];
      }),
  },
  {
    id: 'rights',
    category: 'installation',
    title: 'the parts of the installation have their rights',
    after: ['namespace'],
    run: ({ snapshot }) => lookAll(snapshot.roles, snapshot.bindings, () => missingRights(snapshot)),
  },
  {
    id: 'leader',
    category: 'installation',
    title: 'a controller leads',
    after: ['namespace', 'controller-pods'],
    run: ({ snapshot: { lease, at, installation } }) => {
      const object = { kind: 'Lease', namespace: installation.name, name: leaseName };
      const logs = `kubectl -n ${installation.name} logs deployment/frp-controller`;
      return look(
        lease,
        ({ spec }) => {
          const age = at - Date.parse(spec?.renewTime ?? '');
          const bound = (spec?.leaseDurationSeconds ?? 15) * 1000 * leaseFactor;
          if (spec?.holderIdentity && !(age > bound)) return [];
          return [wrong('NoLeader', object, `nobody has renewed it for ${Math.round(age / 1000)} s`, logs)];
        },
        () => [wrong('NoLeader', object, 'no controller has ever led', logs)],
      );
    },
  },
  {
    id: 'orphaned-secrets',
    category: 'installation',
    title: 'no Secret is left of a service that is gone',
    after: ['namespace', 'crd'],
    run: ({ snapshot: { ownedSecrets, services } }) =>
      lookAll(ownedSecrets, services, (secrets, known) => {
        const names = new Set(known.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
        const orphans = secrets.flatMap((secret): Said[] => {
          const { namespace = '', name, labels = {}, deletionTimestamp } = secret.metadata;
          const service = labels[label.service];
          if (service === undefined || deletionTimestamp !== undefined || names.has(`${namespace}/${service}`)) return [];
          const message = `it was made for DistributedService ${namespace}/${service}, which is not there`;
          return [warning('OrphanedSecret', named('Secret', secret), message, `kubectl -n ${namespace} delete secret ${name}`)];
        });
        return few(orphans, 'Secrets');
      }),
  },
];

/** Who must be bound to what for the installation to work at all. */
const accounts = [
  { role: 'frp-k8s-controller', account: 'frp-controller' },
  { role: 'frp-k8s-webhook', account: 'frp-webhook' },
] as const;
/** Without one of these the part does nothing. */
const verbs: Readonly<Record<string, readonly (readonly [group: string, resource: string, verb: string])[]>> = {
  'frp-k8s-controller': [
    [group, plural, 'list'],
    [group, plural, 'watch'],
    [group, plural, 'patch'],
    [group, `${plural}/status`, 'patch'],
    ['', 'pods', 'list'],
    ['', 'events', 'create'],
  ],
  'frp-k8s-webhook': [
    [group, plural, 'list'],
    [group, plural, 'watch'],
    ['', 'namespaces', 'list'],
    ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations', 'patch'],
  ],
};

function missingRights(snapshot: Snapshot): readonly Said[] {
  const { roles, bindings, installation } = snapshot;
  const apply = applyAll(snapshot);
  return accounts.flatMap(({ role, account }): Said[] => {
    const found = valueOf(roles)?.find(({ metadata }) => metadata.name === role);
    const object = { kind: 'ClusterRole', name: role };
    if (!found)
      return [
        wrong('RightsMissing', object, `it is not there (label app.kubernetes.io/part-of: ${manager}), so ${account} has no rights`, apply),
      ];
    const lacking = verbs[role]!.filter(
      ([of, resource, verb]) =>
        !found.rules?.some(
          ({ apiGroups = [], resources = [], verbs: may = [] }) =>
            [of, '*'].some((each) => apiGroups.includes(each)) &&
            [resource, '*'].some((each) => resources.includes(each)) &&
            [verb, '*'].some((each) => may.includes(each)),
        ),
    );
    if (lacking.length > 0)
      return [wrong('RightsMissing', object, `it lacks ${lacking.map(([, resource, verb]) => `${verb} ${resource}`).join(', ')}`, apply)];
    const isBound = valueOf(bindings)?.some(
      ({ roleRef, subjects }) =>
        roleRef?.name === role && subjects?.some(({ name, namespace }) => name === account && namespace === installation.name),
    );
    if (isBound) return [];
    return [
      wrong(
        'RightsMissing',
        { kind: 'ClusterRoleBinding', name: role },
        `ServiceAccount ${installation.name}/${account} is not bound to ClusterRole ${role}`,
        apply,
      ),
    ];
  });
}
