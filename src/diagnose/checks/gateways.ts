/** Whether the gateway is there, reached and ours, and the links to gateways elsewhere are up. */
import { chainsTo } from '../../../certs/inspect.ts';
import { addressText, gatewayAddresses, type GatewayAddress } from '../../model/gateway.ts';
import { annotation, authoritySecretName, gatewayName, joinSecretName, linkSecretName } from '../../model/names.ts';
import { linkReasons, type LinkReason } from '../../model/reasons/links.ts';
import type { Check, CheckContext, Said } from '../finding.ts';
import { itemsOf, valueOf } from '../read.ts';
import { applying, correcting, look, lookAll, unknown, warning, wrong } from '../say.ts';
import type { Snapshot } from '../snapshot.ts';
import { workloadProblems } from '../workload-problem.ts';
import { isGatewayHere } from './certificates.ts';

const category = 'gateways and links';
const after = ['namespace', 'configuration'];

/** A name within this cluster, which resolves in it alone: HOST.SERVICE.NAMESPACE.svc */
const isInCluster = ({ host }: GatewayAddress): boolean => /\.svc(\.|$)/.test(host);
const hasJoined = ({ installation }: Snapshot): boolean => {
  const secret = installation.secrets.get(linkSecretName);
  return secret !== undefined && (valueOf(secret)?.keys.length ?? 0) > 0;
};

const ordinal = ({ host }: GatewayAddress): number => Number(/^frp-gateway-([0-9]+)\./.exec(host)?.[1] ?? NaN);

export const gatewayChecks: readonly Check[] = [
  {
    id: 'gateway',
    category,
    title: 'the gateway is there and Ready',
    after,
    run: ({ snapshot }) =>
      look(snapshot.config, (config) => {
        const own = gatewayAddresses(config).filter(isInCluster);
        if (own.length === 0) return isGatewayHere(snapshot) ? gatewayProblems(snapshot) : [];
        const object = { kind: 'Namespace', name: snapshot.gateway.name };
        return look(
          snapshot.gateway.namespace,
          () => gatewayProblems(snapshot),
          () => [
            wrong(
              'GatewayMissing',
              object,
              `gateway.addresses has ${own.map(addressText).join(', ')}, and there is no gateway`,
              applying(snapshot, 'gateway'),
            ),
          ],
        );
      }),
  },
  {
    id: 'addresses',
    category,
    title: 'each address of the gateway leads to it',
    after: [...after, 'gateway'],
    run: (context) =>
      look(context.snapshot.config, () => []).length > 0
        ? []
        : Promise.all(gatewayAddresses(valueOf(context.snapshot.config)!).map((address) => addressSaid(address, context))).then((said) =>
            said.flat(),
          ),
  },
  {
    id: 'replicas',
    category,
    title: 'sidecars dial every replica of the gateway',
    after: [...after, 'gateway', 'addresses'],
    run: ({ snapshot }) =>
      lookAll(snapshot.config, snapshot.gateway.workloads, (config, workloads) => {
        const set = workloads.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === gatewayName);
        const own = gatewayAddresses(config).filter((address) => isInCluster(address) && !Number.isNaN(ordinal(address)));
        const replicas = set?.spec?.replicas ?? 1;
        if (!set || own.length === 0 || own.length === replicas) return [];
        const object = { kind: 'StatefulSet', namespace: snapshot.gateway.name, name: gatewayName };
        return [
          warning(
            'ReplicasDiffer',
            object,
            `it has ${replicas} replicas, and gateway.addresses ${own.length} addresses`,
            `kubectl -n ${snapshot.gateway.name} scale statefulset/${gatewayName} --replicas=${own.length}`,
          ),
        ];
      }),
  },
  {
    id: 'users-service',
    category,
    title: 'users reach the gateway by its Service',
    after: [...after, 'gateway'],
    applies: isGatewayHere,
    run: ({ snapshot }) => usersService(snapshot),
  },
  {
    id: 'links',
    category,
    title: 'the links to gateways elsewhere are up',
    after: [...after, 'crd'],
    run: ({ snapshot: { services } }) =>
      look(services, (all) => {
        // Each service has the same of them.
        const down = all.flatMap(
          ({ status }) => status?.conditions?.find(({ type, status: is }) => type === 'LinkReady' && is === 'False') ?? [],
        )[0];
        const { reason = 'LinkDown', message = '' } = down ?? {};
        const remedy = linkReasons[reason as LinkReason]?.remedy ?? 'kubectl -n frp-system logs deployment/frp-controller';
        return down ? [wrong(reason, undefined, message, remedy)] : [];
      }),
  },
  {
    id: 'join',
    category,
    title: 'a join token that was given has been used',
    after,
    run: ({ snapshot: { installation } }) => {
      const secret = installation.secrets.get(joinSecretName);
      if (!secret) return [];
      return look(secret, ({ metadata }) => {
        const problem = metadata.annotations?.[annotation.joinProblem];
        const object = { kind: 'Secret', namespace: installation.name, name: joinSecretName };
        return problem === undefined
          ? []
          : [wrong('JoinFailed', object, problem, 'frp-k8s gateway token create at the gateway; frp-k8s join TOKEN here')];
      });
    },
  },
];

const gatewayProblems = (snapshot: Snapshot): readonly Said[] =>
  workloadProblems(snapshot.gateway, 'StatefulSet', gatewayName, applying(snapshot, 'gateway')).map((said) =>
    said.reason === 'WorkloadMissing' ? { ...said, reason: 'GatewayMissing' } : said,
  );

/** In the cluster by its objects, since its names resolve there alone; elsewhere by dialling. */
async function addressSaid(address: GatewayAddress, { snapshot, probes }: CheckContext): Promise<readonly Said[]> {
  const text = addressText(address);
  const object = {
    kind: 'ConfigMap',
    namespace: snapshot.installation.name,
    name: valueOf(snapshot.configMap)?.metadata.name ?? 'frp-k8s-config',
  };
  const edit = correcting(snapshot);
  if (isInCluster(address)) return inCluster(address, snapshot, object, edit);
  if (!probes) return [];
  const dialled = await probes.dial(address.host, address.port, address.host);
  if ('absent' in dialled) return [wrong('GatewayAddressUnknown', object, `${text} of gateway.addresses does not resolve`, edit)];
  if ('forbidden' in dialled) return [unknown(dialled.forbidden)];
  if ('failed' in dialled) {
    // By a proxy sidecars may reach what this machine does not.
    const isProxied = valueOf(snapshot.config)?.gateway.proxyURL !== undefined;
    return isProxied
      ? [unknown(`${text} is reached by a proxy alone, so it was not tried`)]
      : [warning('GatewayUnreachable', object, `${text} of gateway.addresses, from this machine: ${dialled.failed}`, edit)];
  }
  const authority = snapshot.installation.secrets.get(authoritySecretName);
  const bundle = authority && valueOf(authority)?.certificates['tls.crt'];
  // A gateway elsewhere has an authority of its own.
  if (bundle === undefined || hasJoined(snapshot) || chainsTo(dialled.ok.chain.join('\n'), bundle)) return [];
  return [wrong('GatewayForeign', object, `what answers at ${text} shows a certificate that is not of this installation`, edit)];
}

function inCluster(address: GatewayAddress, snapshot: Snapshot, object: Said['object'], edit: string): readonly Said[] {
  const { gateway } = snapshot;
  const [pod, service, namespace] = address.host.split('.');
  const text = addressText(address);
  const names = address.host.split('.').indexOf('svc') === 3 ? { pod, service, namespace } : { service: pod, namespace: service };
  if (names.namespace !== gateway.name)
    return [
      wrong(
        'GatewayAddressUnknown',
        object,
        `${text} is in namespace ${names.namespace}, and the gateway in ${gateway.name} (gateway.namespace)`,
        edit,
      ),
    ];
  return lookAll(gateway.services, gateway.pods, (services, pods): Said[] => {
    const found = services.find(({ metadata }) => metadata.name === names.service);
    if (!found) {
      const remedy = names.service === gatewayName ? applying(snapshot, 'gateway') : edit;
      return [wrong('GatewayAddressUnknown', object, `${text}: there is no Service ${names.namespace}/${names.service}`, remedy)];
    }
    const hasPod = names.pod === undefined || pods.some(({ metadata }) => metadata.name === names.pod);
    if (!hasPod) return [wrong('GatewayAddressUnknown', object, `${text}: there is no Pod ${names.namespace}/${names.pod}`, edit)];
    const port = found.spec?.ports?.some((each) => each.port === address.port);
    if (port || found.spec?.clusterIPs?.includes('None')) return [];
    return [wrong('GatewayUnreachable', object, `${text}: Service ${names.namespace}/${names.service} has no port ${address.port}`, edit)];
  });
}

function usersService(snapshot: Snapshot): readonly Said[] {
  const { config, gateway: place } = snapshot;
  const apply = applying(snapshot, 'gateway');
  return lookAll(config, place.services, ({ gateway }, services): readonly Said[] => {
    if (gateway.usersService === '') return [];
    const object = { kind: 'Service', namespace: place.name, name: gateway.usersService };
    const found = services.find(({ metadata }) => metadata.name === gateway.usersService);
    if (!found) return [wrong('UsersServiceMissing', object, 'it is not there', apply)];
    const targets = new Set((found.spec?.ports ?? []).map(({ targetPort, port }) => targetPort ?? port));
    const lacking = (
      [
        ['http', gateway.httpPort],
        ['https', gateway.httpsPort],
      ] as const
    ).filter(([name, port]) => !targets.has(name) && !targets.has(port));
    if (lacking.length > 0) {
      const names = lacking.map(([name, port]) => `${name} (${port})`).join(' and ');
      const patch = lacking.map(([name]) => ({
        op: 'add',
        path: '/spec/ports/-',
        value: { name, port: name === 'http' ? 80 : 443, targetPort: name },
      }));
      const remedy = `kubectl -n ${place.name} patch service ${gateway.usersService} --type=json -p '${JSON.stringify(patch)}'`;
      return [wrong('UsersPortMissing', object, `it does not lead to the gateway's port for ${names}`, remedy)];
    }
    return look(place.endpointSlices, (slices): Said[] => {
      const ready = slices
        .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === gateway.usersService)
        .flatMap(({ endpoints }) => endpoints ?? [])
        .some(({ conditions }) => conditions?.ready !== false);
      return ready || itemsOf(place.pods).length === 0 ? [] : [wrong('UsersServiceNoEndpoints', object, 'it leads to no Ready Pod', apply)];
    });
  });
}
