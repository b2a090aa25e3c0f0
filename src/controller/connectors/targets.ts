/** The backends of a service that are no annotated Pods: listed, behind a DNS name, or selected; each checked before it is dialled. */
import { isIP } from 'node:net';
import type { Endpoint } from '../../frp/connector-config.ts';
import { originOf, targetsOf, type Target } from '../../frp/origins.ts';
import { addressProblem, hostProblem, type AddressRules } from '../../net/addresses.ts';
import { serviceKey } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Names } from './dns.ts';
import type { SelectedPods } from './selected-pods.ts';
import type { Problem } from '../problem.ts';

export interface Member extends Endpoint {
  /** for people: what the user wrote, or the Pod */
  name: string;
}

export interface Members {
  members: Member[];
  /** not everything has been found yet, and not for long: addresses that are served stay */
  pending: boolean;
  /** what has not been looked up even once, for people: nothing is known of the rest either */
  unknown?: string | undefined;
  /** whether the service needs a connector at all */
  wanted: boolean;
  problem?: Problem | undefined;
}

interface Sources {
  names: Names;
  pods: SelectedPods;
  rules: AddressRules;
}

/** Of a list so long that frpc's configuration would not fit into a ConfigMap (1 MiB), the rest is left out and said. */
const most = 1000;
const mostTold = 5;
const listing = 'the Pods that spec.backends.discovery.selector selects are being listed';

/** Whether a service may have a connector: its backends are not annotated Pods alone. */
export const isConnected = ({ spec: { backends } }: DistributedService): boolean =>
  backends.endpoints !== undefined || (backends.discovery?.mode ?? 'auto') !== 'auto';

/** @param service one that `isConnected` */
export function membersOf(service: DistributedService, { names, pods, rules }: Sources): Members {
  const { discovery } = service.spec.backends;
  if (discovery?.mode === 'selector') return selected(service, discovery.selector ?? {}, pods, rules);
  return resolved(service, targetsOf(service), names, rules);
}

function resolved(service: DistributedService, targets: readonly Target[], names: Names, rules: AddressRules): Members {
  const { namespace = '' } = service.metadata;
  const refused = new Map(targets.flatMap(({ host }) => named(host, hostProblem(host, rules))));
  const lookedUp = [...new Set(targets.map(({ host }) => host))].filter((host) => !refused.has(host) && isIP(host) === 0);
  names.follow(serviceKey(service), namespace, lookedUp);
  const problems: Problem[] = [...refused].map(([host, why]) => refusal(`host ${JSON.stringify(host)} ${why}`));
  const members: Member[] = [];
  let pending = false;
  const unknown = new Set<string>();
  for (const target of targets) {
    const { host, port } = target;
    if (refused.has(host)) continue;
    const answer = isIP(host) === 0 ? names.answer(namespace, host) : { addresses: [host], pending: false };
    pending ||= answer.pending;
    if (answer.problem !== undefined) problems.push(unresolved(service, host, answer.problem));
    else if (answer.pending) unknown.add(host);
    for (const address of answer.addresses) {
      const why = addressProblem(address, rules);
      if (why === undefined) members.push({ address, port, name: label(host, address, port), origins: [originOf(target)] });
      else problems.push(refusal(`host ${JSON.stringify(host)} leads to ${address}, which ${why}`));
    }
  }
  return limited(members, problems, { pending, unknown: lookingUp([...unknown]), wanted: true });
}

function lookingUp(hosts: string[]): string | undefined {
  if (hosts.length === 0) return undefined;
  const more = hosts.length > mostTold ? ` and ${hosts.length - mostTold} more` : '';
  const told = hosts.slice(0, mostTold).map((host) => JSON.stringify(host));
  return hosts.length === 1 ? `the host ${told[0]} is being looked up` : `the hosts ${told.join(', ')}${more} are being looked up`;
}

function unresolved({ spec: { backends } }: DistributedService, host: string, why: string): Problem {
  const index = backends.endpoints?.findIndex((endpoint) => endpoint.host === host);
  const field = index === undefined ? 'spec.backends.discovery' : `spec.backends.endpoints[${index}]`;
  const message = `host ${JSON.stringify(host)} of ${field} ${why}; correct the name, or create what it names`;
  return { reason: 'NameNotResolved', message };
}

function selected(service: DistributedService, selector: Parameters<SelectedPods['select']>[1], pods: SelectedPods, rules: AddressRules) {
  const { known, any, endpoints, problems } = pods.select(service, selector);
  const missing = problems.map((message): Problem => ({ reason: 'MissingPort', message }));
  const refused: Problem[] = [];
  const members = endpoints.filter(({ address, name }) => {
    const why = addressProblem(address, rules);
    if (why !== undefined) refused.push(refusal(`Pod ${name} has the address ${address}, which ${why}`));
    return why === undefined;
  });
  return limited(members, [...refused, ...missing], { pending: !known, unknown: known ? undefined : listing, wanted: any });
}

function limited(members: Member[], problems: Problem[], rest: Pick<Members, 'pending' | 'unknown' | 'wanted'>): Members {
  const unique = [...Map.groupBy(members, ({ address, port }) => `${address} ${port}`).values()].map(oneOf);
  const all = [...problems];
  if (unique.length > most)
    all.push({ reason: 'TooManyBackends', message: `${unique.length} backends; the first ${most} are served, so split the service` });
  return { members: unique.slice(0, most), problem: joined(all), ...rest };
}

/** What several targets lead to is dialled once, and is of all of them. */
const oneOf = (same: Member[]): Member => ({ ...same.at(-1)!, origins: same.flatMap(({ origins = [] }) => origins) });

/** The most important reason, with everything that has it. */
function joined(problems: Problem[]): Problem | undefined {
  const [first] = problems;
  if (!first) return undefined;
  const told = [...new Set(problems.filter(({ reason }) => reason === first.reason).map(({ message }) => message))];
  const more = told.length > mostTold ? `, and ${told.length - mostTold} more` : '';
  return { reason: first.reason, message: told.slice(0, mostTold).join('; ') + more };
}

const refusal = (what: string): Problem => ({
  reason: 'AddressRefused',
  message: `${what}; use another address, or have connectors.allowAddresses of the installation allow it`,
});

const named = (host: string, why: string | undefined): [string, string][] => (why === undefined ? [] : [[host, why]]);

const label = (host: string, address: string, port: number): string =>
  host === address ? `${bracketed(host)}:${port}` : `${host}:${port} (${address})`;
/** One of which only the address is known, by the name that the status had for it. */
export function remembered({ status }: DistributedService, { address, port }: Endpoint): Member {
  const last = status?.endpoints?.find((endpoint) => endpoint.address === address && endpoint.port === port);
  return { address, port, name: last?.name ?? label(address, address, port) };
}
const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);
