/** The five conditions of a service (R2.24, R5.09, R5.10), from facts. Reasons are one word, messages end in what to do. */
import type { Config } from '../../config/schema.ts';
import type { DistributedService, DistributedServiceStatus } from '../../model/types.ts';
import {
  howToGetBackends,
  isElsewhere,
  lackingParts,
  movedPods,
  nameOf,
  olderPods,
  startingBackends,
  unhealthyBackends,
} from './remedies.ts';
import type { StatusReason } from '../../model/reasons/status.ts';
import type { EntranceProblem } from '../backends/entrance.ts';
import { isServing, serving, type Judgement } from '../backends/health.ts';
import type { Lack } from '../backends/lacking.ts';
import type { Differing, ServerHealth } from '../backends/frp-status.ts';
import type { Problem, CertificatesOutcome, ClusterServiceOutcome } from '../problem.ts';
import { isRemoved, linkReady, lostLinks, shares, specDiffers, withoutWord, type GatewayFact } from './gateways.ts';

export type Condition = NonNullable<DistributedServiceStatus['conditions']>[number];

/** A condition before it has met the one that is stored. */
export type Fact = Required<Pick<Condition, 'type' | 'status' | 'message'>> & { reason: StatusReason };

export interface Facts {
  problem: Problem | undefined;
  /** what is being found out, so that nothing can be said of the backends yet */
  pending?: Problem | undefined;
  certificates: CertificatesOutcome;
  /** how the tunnel to the plain frp server is protected (configuration frps.tls); absent: as to the gateway, by mutual TLS */
  tunnel?: Config['frps']['tls'] | undefined;
  server: ServerHealth;
  /** what keeps users, or sidecars, from the server although it answers the controller */
  entrance?: EntranceProblem | undefined;
  judgement: Judgement;
  /** gateways elsewhere that the cluster has joined */
  gateways?: readonly GatewayFact[] | undefined;
  /** addresses that sidecars dial, of gateways that the cluster has not joined */
  notJoined?: readonly string[] | undefined;
  /** fields of the service that a cluster which joined a gateway before says otherwise */
  differing?: readonly Differing[] | undefined;
  /** why the gateway refuses tunnels of its Pods */
  refusedTunnels?: Problem | undefined;
  /** addresses that not every backend serves which users have */
  lacks?: readonly Lack[];
  /** what users reach and nobody serves, though there are healthy backends */
  closed?: Problem | undefined;
  /** of its Service in the cluster, where it asks for one */
  clusterService?: ClusterServiceOutcome | undefined;
  /** whether the service goes through the gateway */
  isGateway?: boolean;
  /** names of the Pods that run a configuration which is older than the service */
  outdated?: ReadonlySet<string>;
}

/** Ready first: it sums up the others. */
export function conditionsOf(facts: Facts, service: DistributedService): Fact[] {
  const others = [backendsAvailable(facts, service), configurationValid(facts), certificatesReady(facts), networkReady(facts)];
  const { gateways = [], notJoined, differing = [] } = facts;
  const passing = [
    ...linkReady(gateways, notJoined),
    ...specDiffers(differing, gateways.length === 1),
    ...tunnelsRefused(facts),
    ...clusterServiceReady(facts),
  ];
  return [ready(others), ...others, ...passing];
}

/** The first that is False decides, then the first that is Unknown. What the user can mend comes first. */
function ready([backends, configuration, certificates, network]: Fact[]): Fact {
  const causes = [configuration!, certificates!, network!, backends!];
  const cause = causes.find(({ status }) => status === 'False') ?? causes.find(({ status }) => status === 'Unknown');
  if (!cause) return { type: 'Ready', status: 'True', reason: 'Serving', message: 'Users reach the service' };
  return { type: 'Ready', status: cause.status, reason: cause.reason, message: cause.message };
}

function configurationValid({ problem, pending }: Facts): Fact {
  if (problem) return { type: 'ConfigurationValid', status: 'False', reason: problem.reason, message: problem.message };
  if (pending) return { type: 'ConfigurationValid', status: 'Unknown', ...pending };
  return { type: 'ConfigurationValid', status: 'True', reason: 'Valid', message: 'The service can be served as it is written' };
}

/** What a server that was there before does not give, by frps.tls. */
const weaknesses = {
  mutual: '',
  server: '; sidecars show the frp server no certificate (frps.tls: server), so whoever has its token can be one',
  unverified:
    "; the frp server's certificate is not verified (frps.tls: unverified), so whoever is on the way to it can stand in for it: set frps.tls: server",
  off: '; the tunnel is not encrypted (frps.tls: off), so whoever is on the way to the frp server reads and changes what goes through it',
} as const satisfies Record<Config['frps']['tls'], string>;

function certificatesReady({ certificates, tunnel = 'mutual' }: Facts): Fact {
  const type = 'CertificatesReady';
  if (!certificates.ready) return { type, status: 'False', reason: certificates.reason, message: certificates.message };
  if (certificates.expiring) return { type, status: 'True', ...certificates.expiring };
  return {
    type,
    status: 'True',
    reason: 'CertificatesProvisioned',
    message: `All certificates are valid and not expiring soon${weaknesses[tunnel]}`,
  };
}

function networkReady({
  server,
  entrance,
  gateways = [],
  isGateway = false,
}: Pick<Facts, 'server' | 'entrance' | 'gateways' | 'isGateway'>): Fact {
  const type = 'NetworkReady';
  if (entrance && !entrance.isPartial && server.status !== 'unreachable')
    return { type, status: 'False', reason: entrance.reason, message: entrance.message };
  switch (server.status) {
    case 'reachable':
      return {
        type,
        status: 'True',
        reason: 'ServerReachable',
        message: `The frp server answers${lostLinks(gateways)}${entrance ? `; ${entrance.message}` : ''}`,
      };
    case 'unreachable':
      // Users are served all the same, but by gateways that have taken everything back.
      if (gateways.length > 0)
        return { type, status: gateways.every(isRemoved) ? 'False' : 'Unknown', reason: 'LinkDown', message: withoutWord(gateways) };
      return {
        type,
        status: 'False',
        reason: 'ServerUnreachable',
        message: `${isGateway ? "The gateway's status API" : "The frp server's API"} does not answer at ${server.message}; ${howToReachServer(isGateway)}`,
      };
    case 'unknown':
      return { type, status: 'Unknown', reason: 'NoServerAPI', message: noServerApi };
    case 'none':
      return { type, status: 'False', reason: 'NoGateway', message: noGateway };
  }
}

/** @param isGateway the part is the gateway's agent, which answers in the place of frps */
const howToReachServer = (isGateway: boolean): string =>
  isGateway
    ? 'see whether the Pods of the gateway (manifests/gateway: StatefulSet frp-gateway) are Ready, whether the log of container agent says why, and gateway.apiPort of the configuration'
    : 'see whether the Pods of the server (manifests/frps: Deployment frp-server) are Ready, whether their log says why, and frps.api of the configuration';

const noServerApi =
  "The frp server's API is not configured or has not answered yet, so the health of backends is not known; set frps.api of the configuration";

const noGateway =
  'There is no gateway in this cluster (manifests/gateway), and it has joined none elsewhere; join one with: frp-k8s join TOKEN';

/** There only as long as some are. The service is served by the tunnels that it has. */
const tunnelsRefused = ({ refusedTunnels }: Facts): Fact[] =>
  refusedTunnels
    ? [
        {
          type: 'TunnelsRefused',
          status: 'True',
          reason: refusedTunnels.reason,
          message: `The gateway refuses tunnels: ${refusedTunnels.message}`,
        },
      ]
    : [];

/** There only where the service asks for one; users are served without. */
const clusterServiceReady = ({ clusterService }: Facts): Fact[] =>
  clusterService
    ? [
        {
          type: 'ClusterServiceReady',
          status: clusterService.isReady ? 'True' : 'False',
          reason: clusterService.reason,
          message: clusterService.message,
        },
      ]
    : [];

function backendsAvailable(
  { server, gateways = [], judgement, pending, isGateway = false, outdated = new Set(), lacks = [], closed }: Facts,
  service: DistributedService,
): Fact {
  const type = 'BackendsAvailable';
  const { backends, unhealthy } = judgement;
  const serves = serving(judgement);
  if (server.status !== 'reachable') {
    const { reason } = networkReady({ server, gateways });
    return { type, status: 'Unknown', reason, message: `${backends.length} backends, whose health is not known` };
  }
  const available = `${serves} backends available${shares(gateways)}`;
  const not = (reason: StatusReason, message: string): Fact => ({ type, status: 'False', reason, message: `${available}${message}` });
  if (pending && serves === 0) return { type, status: 'Unknown', ...pending };
  if (backends.length === 0) return not('NoBackendsFound', `; ${howToGetBackends(service)}`);
  const moved = backends.filter((backend) => isElsewhere(backend, isGateway));
  const here = backends.filter((backend) => isServing(backend) && !isElsewhere(backend, isGateway)).length;
  if (moved.length > 0 && here === 0) {
    const message = `0 backends available through ${nameOf(isGateway)}; ${movedPods(service, moved, isGateway)}`;
    return { type, status: 'False', reason: 'RestartPods', message };
  }
  const older = olderPods(
    service,
    backends.filter((backend) => outdated.has(backend.name) && !isElsewhere(backend, isGateway)),
  );
  if (serves > 0) {
    const through =
      moved.length > 0 ? [`${here} backends available through ${nameOf(isGateway)}`, movedPods(service, moved, isGateway)] : [available];
    const said = [
      ...through,
      ...(closed ? [closed.message] : []),
      ...lackingParts(service, lacks, isGateway, outdated),
      ...(unhealthy > 0 ? [`${unhealthy} unhealthy: ${unhealthyBackends(service, backends, isGateway, outdated)}`] : []),
    ];
    said.push(...older);
    const message = said.join('; ');
    return closed ? { type, status: 'False', reason: closed.reason, message } : { type, status: 'True', reason: 'BackendsReady', message };
  }
  if (unhealthy === 0) return not('BackendsStarting', `, ${backends.length} starting: ${startingBackends(backends)}`);
  const failing = `, ${unhealthy} unhealthy: ${unhealthyBackends(service, backends, isGateway, outdated)}`;
  return not('BackendsUnhealthy', [failing, ...older].join('; '));
}
