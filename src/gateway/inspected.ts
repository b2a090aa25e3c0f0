/** What the agent of this process knows, for the questions of people (api/inspection.ts). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { conflictFinding } from '../../webhooks/distributedservices/tenancy.ts';
import { Expiries } from '../../certs/expiries.ts';
import type { Config } from '../config/schema.ts';
import { describeFinding } from '../model/findings.ts';
import { usesGateway } from '../model/gateway.ts';
import type { HaproxyConfigurations, JoinedCluster, Unserved } from './api/report-types.ts';
import { Inspection } from './api/inspection.ts';
import type { Holdings } from './claims/holdings.ts';
import type { Door } from './door.ts';
import { keyOf } from './ir/service-key.ts';
import type { View } from './ir/ir.ts';
import type { TunnelMaterial } from './ir/tunnel-trust.ts';
import type { Members } from './members/members.ts';
import type { Proxies } from './proxies.ts';
import type { Sources } from './sources/sources.ts';

export interface Inspected {
  pod: string;
  config: Config;
  view: () => View | undefined;
  tunnel: () => TunnelMaterial | undefined;
  joined?: (() => Promise<readonly JoinedCluster[]>) | undefined;
  members: Members;
  proxies: Proxies;
  sources: Sources;
  holdings: Holdings;
  door: Door;
  /** of the files of the Pod's processes, absolute */
  directory: string;
}

export function inspectionOf({
  pod,
  config,
  view,
  tunnel,
  joined,
  members,
  proxies,
  sources,
  holdings,
  door,
  directory,
}: Inspected): Inspection {
  const expiries = new Expiries();
  return new Inspection({
    replica: pod,
    view,
    members: {
      get all() {
        return members.all;
      },
      sinceOf: (member) => members.sinceOf(member),
    },
    stats: () => proxies.verdicts(),
    traffic: proxies.traffic,
    unserved: (key) => unserved(key, { config, proxies, sources, holdings }),
    names: () => [...sources.services.all()].map(keyOf),
    refusals: () => door.refusedPods.recent((identity) => sources.podOf(identity)),
    certificates: () => expiries.of(certificatesShown(view(), tunnel())),
    joined,
    configurations: () => configurationsIn(directory),
  });
}

/** PEM of each certificate that HAProxy shows, by what it is for. */
function certificatesShown(view: View | undefined, tunnel: TunnelMaterial | undefined): [string, string][] {
  const users = (view?.services ?? []).flatMap(({ service, certificate }): [string, string][] =>
    certificate === undefined ? [] : [[`users of ${keyOf(service)}`, certificate]],
  );
  return tunnel ? [['tunnels', tunnel.serverPem], ['authority of tunnels', tunnel.clientCaPem], ...users] : users;
}

async function configurationsIn(directory: string): Promise<HaproxyConfigurations> {
  const found: HaproxyConfigurations = {};
  for (const part of ['users', 'tunnel'] as const) {
    const text = await readFile(join(directory, part, 'current', 'haproxy.cfg'), 'utf8').catch(() => undefined);
    if (text !== undefined) found[part] = text;
  }
  return found;
}

/** Why a service is left out, in the words of its status. */
function unserved(
  key: string,
  { config, proxies, sources, holdings }: Pick<Inspected, 'config' | 'proxies' | 'sources' | 'holdings'>,
): Unserved | undefined {
  const service = sources.services.byKey(key);
  if (!service) return { reason: 'UnknownService', message: `there is no DistributedService ${key}` };
  const { spec, metadata } = service;
  if (metadata.deletionTimestamp !== undefined) return { reason: 'ServiceDeleted', message: 'it is being deleted' };
  if (spec.serviceType === 'udp') return { reason: 'UdpNeedsPlainServer', message: 'the gateway serves no udp' };
  if (!usesGateway(spec, config)) return { reason: 'NotThroughGateway', message: 'it goes through the plain frp server' };
  const [conflict] = holdings.conflictsOf(service);
  if (conflict) return { reason: 'HostConflict', message: describeFinding(conflictFinding(conflict, service)) };
  const refusal = proxies.refusals().find((each) => each.service === key);
  return refusal && { reason: 'GatewayRefused', message: refusal.message };
}
