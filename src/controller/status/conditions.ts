/** The five conditions of a service (R2.24, R5.09, R5.10), from facts. Reasons are one word, messages end in what to do. */
import type { DistributedService, DistributedServiceStatus } from '../../model/types.ts';
import { howToGetBackends, whereToLook } from './remedies.ts';
import type { Judgement } from '../backends/health.ts';
import type { ServerHealth } from '../backends/frp-status.ts';
import type { Problem, CertificatesOutcome } from '../problem.ts';

export type Condition = NonNullable<DistributedServiceStatus['conditions']>[number];

/** A condition before it has met the one that is stored. */
export type Fact = Required<Pick<Condition, 'type' | 'status' | 'reason' | 'message'>>;

export interface Facts {
  problem: Problem | undefined;
  certificates: CertificatesOutcome;
  server: ServerHealth;
  judgement: Judgement;
}

/** Ready first: it sums up the others. */
export function conditionsOf(facts: Facts, service: DistributedService): Fact[] {
  const others = [backendsAvailable(facts, service), configurationValid(facts), certificatesReady(facts), networkReady(facts)];
  return [ready(others), ...others];
}

/** The first that is False decides, then the first that is Unknown. What the user can mend comes first. */
function ready([backends, configuration, certificates, network]: Fact[]): Fact {
  const causes = [configuration!, certificates!, network!, backends!];
  const cause = causes.find(({ status }) => status === 'False') ?? causes.find(({ status }) => status === 'Unknown');
  if (!cause) return { type: 'Ready', status: 'True', reason: 'Serving', message: 'Users reach the service' };
  return { type: 'Ready', status: cause.status, reason: cause.reason, message: cause.message };
}

function configurationValid({ problem }: Facts): Fact {
  if (problem) return { type: 'ConfigurationValid', status: 'False', reason: problem.reason, message: problem.message };
  return { type: 'ConfigurationValid', status: 'True', reason: 'Valid', message: 'The service can be served as it is written' };
}

function certificatesReady({ certificates }: Facts): Fact {
  const type = 'CertificatesReady';
  if (!certificates.ready) return { type, status: 'False', reason: certificates.reason, message: certificates.message };
  return { type, status: 'True', reason: 'CertificatesProvisioned', message: 'All certificates are valid and not expiring soon' };
}

function networkReady({ server }: Facts): Fact {
  const type = 'NetworkReady';
  switch (server.status) {
    case 'reachable':
      return { type, status: 'True', reason: 'ServerReachable', message: 'The frp server answers' };
    case 'unreachable':
      return { type, status: 'False', reason: 'ServerUnreachable', message: `The frp server's API does not answer at ${server.message}` };
    case 'unknown':
      return { type, status: 'Unknown', reason: 'NoServerAPI', message: noServerApi };
    case 'elsewhere':
      return { type, status: 'Unknown', reason: 'GatewayElsewhere', message: gatewayElsewhere };
  }
}

const noServerApi = "The frp server's API is not configured or has not answered yet (frps.api), so the health of backends is not known";

const gatewayElsewhere =
  'The gateway is in another cluster (gateway.elsewhere), and the status of the service there tells which backends serve';

function backendsAvailable({ server, judgement }: Facts, service: DistributedService): Fact {
  const type = 'BackendsAvailable';
  const { backends, healthy, unhealthy } = judgement;
  if (server.status !== 'reachable') {
    const { reason } = networkReady({ server } as Facts);
    return { type, status: 'Unknown', reason, message: `${backends.length} backends, whose health is not known` };
  }
  const available = `${healthy} backends available`;
  if (healthy > 0) return { type, status: 'True', reason: 'BackendsReady', message: available };
  if (backends.length === 0)
    return { type, status: 'False', reason: 'NoBackendsFound', message: `${available}; ${howToGetBackends(service)}` };
  if (unhealthy === 0) return { type, status: 'False', reason: 'BackendsStarting', message: `${available}, ${backends.length} starting` };
  return {
    type,
    status: 'False',
    reason: 'BackendsUnhealthy',
    message: `${available}, ${unhealthy} unhealthy; ${whereToLook(service)}`,
  };
}
