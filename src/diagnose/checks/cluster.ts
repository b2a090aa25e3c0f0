/** Whether the cluster is one that frp-k8s can be in, and whether this account may put it there. */
import type { Check, Said } from '../finding.ts';
import { look, unknown, warning, wrong } from '../say.ts';

const oldest = 30;
const mostSkewMs = 10_000;

/** What the installation consists of, as far as a right to it may be missing. */
const created = [
  ['', 'namespaces'],
  ['apiextensions.k8s.io', 'customresourcedefinitions'],
  ['rbac.authorization.k8s.io', 'clusterroles'],
  ['rbac.authorization.k8s.io', 'clusterrolebindings'],
  ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations'],
  ['admissionregistration.k8s.io', 'validatingwebhookconfigurations'],
  ['admissionregistration.k8s.io', 'validatingadmissionpolicies'],
] as const;

export const clusterChecks: readonly Check[] = [
  {
    id: 'api',
    category: 'cluster',
    title: 'the API server answers',
    isPre: true,
    run: ({ snapshot: { server, address } }) => {
      if ('ok' in server || 'forbidden' in server) return [];
      const message = 'failed' in server ? server.failed : 'it serves no /version: this is no Kubernetes';
      return [wrong('ApiUnreachable', undefined, `${address}: ${message}`, 'kubectl get --raw /version')];
    },
  },
  {
    id: 'version',
    category: 'cluster',
    title: 'Kubernetes is 1.30 or newer',
    isPre: true,
    after: ['api'],
    run: ({ snapshot: { server } }) =>
      look(server, ({ gitVersion, minor, major }) =>
        Number(major) > 1 || Number.parseInt(minor, 10) >= oldest
          ? []
          : [wrong('KubernetesTooOld', undefined, `this cluster is ${gitVersion}`, 'update the cluster to 1.30 or newer')],
      ),
  },
  {
    id: 'clock',
    category: 'cluster',
    title: 'the clocks of the cluster and of this machine agree',
    isPre: true,
    after: ['api'],
    run: async ({ probes }) => {
      if (!probes) return [];
      return look(await probes.clock(), (aheadMs): Said[] =>
        Math.abs(aheadMs) <= mostSkewMs
          ? []
          : [
              warning(
                'ClockSkewed',
                undefined,
                `the API server's clock is ${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`,
                'set the wrong one by NTP: timedatectl set-ntp true',
              ),
            ],
      );
    },
  },
  {
    id: 'may-install',
    category: 'cluster',
    title: 'this account may install frp-k8s',
    isPre: true,
    isPreOnly: true,
    after: ['api'],
    run: async ({ probes }) => {
      if (!probes) return [];
      const answers = await Promise.all(
        created.map(async ([group, resource]) => ({ resource, may: await probes.mayI('create', group, resource) })),
      );
      const missing = answers.flatMap(({ resource, may }) => ('ok' in may && !may.ok ? [resource] : []));
      const failed = answers.find(({ may }) => !('ok' in may));
      if (failed)
        return look(
          failed.may,
          () => [],
          () => [unknown('the cluster has no SelfSubjectAccessReview')],
        );
      return missing.length === 0
        ? []
        : [
            wrong(
              'MayNotInstall',
              undefined,
              `this account may not create ${missing.join(', ')}`,
              'install as an account with ClusterRole cluster-admin',
            ),
          ];
    },
  },
];
