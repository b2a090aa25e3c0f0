/** What is said of the gateways elsewhere that the cluster has joined, and of which of them has what of a service. */
import type { LinkState } from '../../link/held-link.ts';
import type { Differing, ServerView } from '../backends/frp-status.ts';
import { isServing, type JudgedBackend } from '../backends/health.ts';
import type { Fact } from './conditions.ts';

export interface GatewayFact {
  /** by which people know it: the first of its addresses */
  name: string;
  state: LinkState;
  /** command by which the cluster forgets it */
  leave: string;
  /** what it says of the service; undefined where it says nothing at present */
  said?: {
    /** how many of the healthy backends it has online */
    serving: number;
    /** the others of them */
    lacking: readonly JudgedBackend[];
    /** why it leaves the service out */
    refusal?: string | undefined;
  };
}

/** @param toldBy what a gateway says of the service */
export function gatewayFacts(
  states: readonly { gateway: string; state: LinkState; leave: string }[],
  toldBy: (gateway: string) => ReturnType<ServerView['toldBy']>,
  backends: readonly JudgedBackend[],
): GatewayFact[] {
  const healthy = backends.filter(isServing);
  return states.map(({ gateway, state, leave }) => {
    const told = state.isUp ? toldBy(gateway) : undefined;
    if (!told) return { name: gateway, state, leave };
    const lacking = healthy.flatMap((backend) => {
      const counts = [backend.id, ...(backend.also ?? [])].map((id) => told.countsOf(id));
      if (counts.some((each) => (each?.online ?? 0) > 0)) return [];
      return [{ ...backend, reason: counts.find((each) => each?.reason !== undefined)?.reason }];
    });
    return { name: gateway, state, leave, said: { serving: healthy.length - lacking.length, lacking, refusal: told.refusal } };
  });
}

type Down = Extract<LinkState, { isUp: false }>;

const nameOf = ({ name }: Pick<GatewayFact, 'name'>, isOnly: boolean): string => (isOnly ? 'the gateway' : `gateway ${name}`);

const noLink = (gateway: Pick<GatewayFact, 'name'>, { since, message }: Down, isOnly: boolean): string =>
  `No link to ${nameOf(gateway, isOnly)} since ${new Date(since).toISOString()}: ${message}`;

/** What brings the link back, or ends it for good. */
const remedyOf = ({ state, leave }: { state: Down; leave: string }): string =>
  state.reason === 'ClusterRemoved'
    ? `or leave it for good: ${leave}`
    : `it is tried again until it is back; where the gateway is gone for good: ${leave}`;

/**
 * False as long as one link is down: the message says which, since when, why, and what to do.
 * @param notJoined addresses that sidecars dial although the cluster has not joined what is there
 */
export function linkReady(gateways: readonly GatewayFact[], notJoined: readonly string[] = []): Fact[] {
  if (gateways.length === 0) return [];
  const isOnly = gateways.length === 1;
  const down = gateways.flatMap(({ state, ...gateway }) => (state.isUp ? [] : [{ ...gateway, state }]));
  // What is wrong comes first: a person reads no further.
  const said = [
    ...down.map((gateway) => `${noLink(gateway, gateway.state, isOnly)}; ${remedyOf(gateway)}`),
    ...notJoined.map(
      (address) =>
        `Sidecars dial ${address} of gateway.addresses, and this cluster has not joined that gateway: frp-k8s join TOKEN, or take it out of there`,
    ),
    ...gateways.flatMap(({ state }) => {
      if (!state.isUp) return [];
      const clock = state.clock === undefined ? '' : `; this cluster's ${state.clock}`;
      return [`The gateway at ${state.address} has what it needs of this cluster${clock}`];
    }),
  ];
  const reason = down[0]?.state.reason ?? (notJoined.length > 0 ? 'NotJoined' : 'Linked');
  return [{ type: 'LinkReady', status: reason === 'Linked' ? 'True' : 'False', reason, message: said.join('; ') }];
}

/** There only as long as something differs. */
export function specDiffers(differing: readonly Differing[], isOnly: boolean): Fact[] {
  if (differing.length === 0) return [];
  const said = differing.map(({ gateway, fields, cluster }) => {
    const who = cluster === undefined ? 'A cluster' : `Cluster ${cluster}`;
    const where = isOnly ? 'the gateway' : `gateway ${gateway}`;
    const named = fields.map((field) => `spec.${field}`).join(', ');
    return `${who} that joined ${where} before this one has the service too, and users get what it says of ${named}; make them the same`;
  });
  return [{ type: 'SpecDiffers', status: 'True', reason: 'AnotherClusterDecides', message: said.join('. ') }];
}

/** Whether the gateway has taken back all that it had of this cluster. */
export const isRemoved = ({ state }: GatewayFact): boolean => !state.isUp && state.reason === 'ClusterRemoved';

/** Why nothing is known of what gateways elsewhere serve. @param gateways at least one */
export function withoutWord(gateways: readonly GatewayFact[]): string {
  const isOnly = gateways.length === 1;
  const said = gateways.map((gateway) => {
    const { name, state } = gateway;
    if (!state.isUp) return noLink(gateway, state, isOnly);
    if (gateway.said) return `gateway ${name} has none of the backends online`;
    return `The link to the gateway at ${state.address} is up again, and what the gateway says of the backends is on its way`;
  });
  const comesBack = gateways.some((gateway) => !gateway.state.isUp && !isRemoved(gateway));
  const others = isOnly ? 'The gateway goes on serving what it knows' : 'A gateway without a link goes on serving what it knows';
  return `${said.join('; ')}${comesBack ? `. ${others}; the link is tried again until it is back` : ''}`;
}

/** The links that are down although others are up: ` ; ` before it, or nothing. */
export const lostLinks = (gateways: readonly GatewayFact[]): string =>
  gateways.flatMap((gateway) => (gateway.state.isUp ? [] : [`; ${noLink(gateway, gateway.state, gateways.length === 1)}`])).join('');

/** Which of several gateways has what: ` (gw-a:7000: 2; gw-b:7000: 1, without web-1: …)`; of one alone nothing. */
export function shares(gateways: readonly GatewayFact[]): string {
  if (gateways.length < 2) return '';
  return ` (${gateways.map((gateway) => `${gateway.name}: ${share(gateway)}`).join('; ')})`;
}

function share({ state, said }: GatewayFact): string {
  if (!state.isUp) return `not known, no link since ${new Date(state.since).toISOString()}`;
  if (!said) return 'not known yet';
  if (said.refusal !== undefined) return `leaves the service out, ${said.refusal}`;
  const [first, ...others] = said.lacking;
  if (!first) return String(said.serving);
  return `${said.serving}, without ${first.name}${first.reason === undefined ? '' : `, ${first.reason}`}${others.length > 0 ? ` and ${others.length} more` : ''}`;
}
