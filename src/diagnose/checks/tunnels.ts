/** Whether sidecars can come to their servers, and are let in. */
import { gatewayAddresses, usesGateway } from '../../model/gateway.ts';
import { gatewayName, label } from '../../model/names.ts';
import type { Config } from '../../config/schema.ts';
import type { Check, Said } from '../finding.ts';
import { blocking } from '../policies.ts';
import { itemsOf, valueOf } from '../read.ts';
import { allowingPolicy, applying, few, look, lookAll, named, warning, wrong } from '../say.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Pod } from '../shapes.ts';
import type { Place, Snapshot } from '../snapshot.ts';
import { workloadProblems } from '../workload-problem.ts';
import { hasPlainServer, isGatewayHere } from './certificates.ts';

const after = ['namespace', 'crd'];

/** Whether a service goes to the plain frp server. */
const isPlainUsed = (snapshot: Snapshot): boolean => plainServices(snapshot).length > 0;

const plainServices = ({ services, config }: Snapshot): DistributedService[] => {
  const known = valueOf(config);
  return known === undefined ? [] : itemsOf(services).filter(({ spec }) => !usesGateway(spec, known));
};

/** Whether sidecars dial the one that ships with the installation, and not one of the user's. */
const isPlainOurs = ({ config, installation }: Snapshot): boolean =>
  valueOf(config)?.frps.address.startsWith(`frp-server.${installation.name}.svc`) ?? false;

/** One Pod of each namespace and set of labels stands for all. */
function kindsOf(pods: readonly Pod[]): Pod[] {
  const kinds = new Map<string, Pod>();
  for (const pod of pods) {
    const { namespace, labels = {}, deletionTimestamp } = pod.metadata;
    if (labels[label.sidecar] === undefined || deletionTimestamp !== undefined) continue;
    const {
      'pod-template-hash': _hash,
      'controller-revision-hash': _revision,
      'statefulset.kubernetes.io/pod-name': _pod,
      ...own
    } = labels;
    kinds.set(`${namespace} ${JSON.stringify(own)}`, pod);
  }
  return [...kinds.values()];
}

const namesOf = (policies: readonly KubeObject[]) => policies.map(({ metadata }) => metadata.name).join(', ');

/** Each port that a sidecar may have to dial. */
const tunnelPorts = (config: Config, isPlain: boolean): number[] => [
  ...new Set([...gatewayAddresses(config).map(({ port }) => port), ...(isPlain ? [config.frps.port] : [])]),
];

const egress = (
  id: string,
  title: string,
  reason: 'PolicyBlocksTunnel' | 'PolicyBlocksDns',
  portsOf: (snapshot: Snapshot, config: Config) => readonly (readonly ['TCP' | 'UDP', number])[],
): Check => ({
  id,
  category: 'tunnels',
  title,
  after: [...after, 'configuration'],
  run: ({ snapshot }) =>
    lookAll(snapshot.networkPolicies, snapshot.pods, (policies, pods) =>
      look(snapshot.config, (config) =>
        few(
          kindsOf(pods).flatMap((pod) =>
            portsOf(snapshot, config)
              .flatMap(([protocol, port]): Said[] => {
                const { namespace = '', labels } = pod.metadata;
                const found = blocking(policies, { namespace, labels }, 'egress', protocol, port);
                if (found.length === 0) return [];
                const message = `NetworkPolicy ${namesOf(found)} lets its Pods not out to port ${port} (${protocol})`;
                return [
                  wrong(
                    reason,
                    named('Pod', pod),
                    message,
                    allowingPolicy(namespace, { matchLabels: { [label.sidecar]: 'injected' } }, 'Egress', [{ protocol, port }]),
                  ),
                ];
              })
              .slice(0, 1),
          ),
          'Pods',
        ),
      ),
    ),
});

export const tunnelChecks: readonly Check[] = [
  {
    id: 'plain-server',
    category: 'tunnels',
    title: 'the plain frp server is Ready',
    after: [...after, 'configuration'],
    // Without a service that goes to it, or with a server of the user's own, there is none to look at.
    applies: (snapshot) => isPlainUsed(snapshot) && isPlainOurs(snapshot),
    run: ({ snapshot }) => {
      const said = workloadProblems(snapshot.installation, 'Deployment', 'frp-server', applying(snapshot, 'frps')).map(asServer);
      if (hasPlainServer(snapshot) || !('ok' in snapshot.installation.workloads)) return said;
      const names = plainServices(snapshot).map(({ metadata: { namespace, name }, spec }) => `${namespace}/${name} (${spec.serviceType})`);
      const who = names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
      const message = `it is not there, and ${who} go through a plain frp server; install it (of the chart: frpServer.enabled), or name your own in frps.address of the configuration`;
      return said.map((each) => ({ ...each, message }));
    },
  },
  egress('egress', 'no NetworkPolicy keeps sidecars from their server', 'PolicyBlocksTunnel', (snapshot, config) =>
    tunnelPorts(config, isPlainUsed(snapshot)).map((port) => ['TCP', port] as const),
  ),
  egress('dns', 'no NetworkPolicy keeps sidecars from the DNS', 'PolicyBlocksDns', () => [['UDP', 53]]),
  {
    id: 'ingress',
    category: 'tunnels',
    title: 'no NetworkPolicy keeps sidecars and users out of the gateway',
    after: [...after, 'configuration'],
    applies: isGatewayHere,
    run: ({ snapshot }) =>
      lookAll(snapshot.config, snapshot.gateway.networkPolicies, ({ gateway }, policies) => {
        const ports = [gateway.tunnelPort, gateway.httpPort, gateway.httpsPort, gateway.apiPort];
        return ports.flatMap((port) => closedPort(snapshot.gateway, policies, port)).slice(0, 1);
      }),
  },
  {
    id: 'refusals',
    category: 'tunnels',
    title: 'the gateway turns no sidecar away',
    after,
    run: ({ snapshot: { services } }) =>
      look(services, (all) =>
        few(
          all.flatMap(({ metadata, status }): Said[] => {
            const said = status?.conditions?.find(({ type, status: is }) => type === 'TunnelsRefused' && is === 'True');
            const object = { kind: 'DistributedService', namespace: metadata.namespace, name: metadata.name };
            return said
              ? [warning(said.reason ?? '', object, said.message ?? '', `kubectl -n ${metadata.namespace} describe dsvc ${metadata.name}`)]
              : [];
          }),
          'services',
        ),
      ),
  },
  {
    id: 'tunnel-tls',
    category: 'tunnels',
    title: 'tunnels to the plain frp server are encrypted and verified',
    after: [...after, 'configuration'],
    run: ({ snapshot }) =>
      look(snapshot.config, ({ frps }) =>
        isPlainUsed(snapshot) && (frps.tls === 'off' || frps.tls === 'unverified')
          ? [
              warning(
                'TunnelUnauthenticated',
                undefined,
                `frps.tls of the configuration is ${frps.tls}: whoever is on the way can read or stand in`,
                'set frps.tls: server in the configuration',
              ),
            ]
          : [],
      ),
  },
];

const asServer = (said: Said): Said => (said.reason === 'WorkloadNotReady' ? { ...said, reason: 'ServerNotReady' } : said);

function closedPort({ name, pods }: Place, policies: Parameters<typeof blocking>[0], port: number): Said[] {
  const pod = itemsOf(pods).find(({ metadata }) => metadata.labels?.app === gatewayName);
  if (!pod) return [];
  const found = blocking(policies, { namespace: name, labels: pod.metadata.labels }, 'ingress', 'TCP', port);
  if (found.length === 0) return [];
  return [
    wrong(
      'PolicyBlocksServer',
      named('NetworkPolicy', found[0]!),
      `it lets nobody in to port ${port} of the gateway`,
      allowingPolicy(name, { matchLabels: { app: gatewayName } }, 'Ingress', [{ protocol: 'TCP', port }]),
    ),
  ];
}
