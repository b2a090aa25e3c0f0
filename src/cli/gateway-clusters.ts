/** `frp-k8s gateway clusters`: who has joined a gateway, and the end of it. */
import { UserError } from '../errors.ts';
import { describeGrant } from '../gateway/links/grant.ts';
import type { ClusterRecord, LinkStore, Seen } from '../gateway/links/link-store.ts';
import { durationWords } from '../link/clock-words.ts';
import { openPlace, placeHelp, placeOptions } from './gateway-place.ts';
import { parseOptions } from './options.ts';

export const help = `frp-k8s gateway clusters: the clusters that have joined a gateway

usage: frp-k8s gateway clusters [--dir DIR | -n NS]
       frp-k8s gateway clusters remove NAME [--dir DIR | -n NS]

remove takes back what the cluster has there, within two seconds where the gateway runs: its services, the trust in its Pods
and certificates, its link, the tunnels of its Pods. It comes back with a new token alone.

${placeHelp}
examples:
  frp-k8s gateway clusters --dir /var/lib/frp-k8s
  frp-k8s gateway clusters remove branch --context headquarters
`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions('gateway clusters', args, placeOptions, 'positionals');
  const [verb, name, ...rest] = positionals;
  if (verb !== undefined && (verb !== 'remove' || name === undefined || rest.length > 0))
    throw new UserError('gateway clusters: say "gateway clusters" or "gateway clusters remove NAME"');
  const place = await openPlace('gateway clusters', values);
  try {
    place.check();
    return await (verb === undefined ? list(place.store) : remove(place.store, name!));
  } finally {
    place.close();
  }
}

async function remove(store: LinkStore, name: string): Promise<number> {
  if (!(await store.removeCluster(name))) throw new UserError(`gateway clusters remove: no cluster ${name} has joined this gateway`);
  process.stdout.write(`cluster ${name} is removed\n`);
  return 0;
}

async function list(store: LinkStore): Promise<number> {
  const clusters = [...(await store.clusters()).values()];
  if (clusters.length === 0) {
    process.stderr.write('no cluster has joined; make a token with: frp-k8s gateway token create --help\n');
    return 0;
  }
  const rows = await Promise.all(clusters.map(async (cluster) => rowOf(cluster, await store.seen(cluster.name), store.seenMs)));
  const table = [['CLUSTER', 'LINK', 'SERVICES', 'BACKENDS', 'CERTIFICATE', 'MAY HAVE'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table)
    process.stdout.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  return 0;
}

function rowOf({ name, grant, certificateExpires }: ClusterRecord, seen: readonly Seen[], seenMs: number): string[] {
  const now = Date.now();
  const left = certificateExpires - now;
  const certificate = left > 0 ? `${durationWords(left)} left` : `expired ${durationWords(-left)} ago`;
  const most = (of: 'services' | 'backends') => `${Math.max(0, ...seen.map((each) => each[of]))}`;
  return [name, linkOf(seen, now, seenMs), most('services'), most('backends'), certificate, describeGrant(grant)];
}

/** @param seen by each replica */
function linkOf(seen: readonly Seen[], now: number, seenMs: number): string {
  const up = seen.filter(({ isLinked, at }) => isLinked && now - at < seenMs);
  if (up.length > 0) return up.length === seen.length ? 'up' : `up at ${up.length} of ${seen.length}`;
  return seen.length > 0 ? `last seen ${durationWords(now - Math.max(...seen.map(({ at }) => at)))} ago` : 'never seen';
}
