/** Who has which host and port, for the replicas of a gateway in a cluster: in one Secret, so that whoever writes has seen all. */
import { base64, text } from '../../kube/authority-secret.ts';
import type { LinkSecrets } from '../links/link-secrets.ts';
import { byCluster, idsIn, type HoldingsStore, type Kept } from './holdings-store.ts';

const secretName = 'frp-gateway-claims';
const mostTries = 10;

export function kubeHoldings(secrets: LinkSecrets): HoldingsStore {
  let parsed: { version: string | undefined; kept: Kept } | undefined;
  const read = (): Kept => {
    const secret = secrets.get(secretName);
    const version = secret?.metadata.resourceVersion;
    if (parsed && parsed.version === version) return parsed.kept;
    const entries = Object.keys(secret?.data ?? {}).flatMap((cluster) =>
      idsIn(text(secret!, cluster)).map((id): [string, string] => [id, cluster]),
    );
    parsed = { version, kept: new Map(entries) };
    return parsed.kept;
  };
  return {
    read,
    change: async (next) => {
      for (let tries = 0; tries < mostTries; tries++) {
        const secret = await secrets.look(secretName);
        const before = read();
        const wanted = next(before);
        if (!wanted) return before;
        const data = changes(before, wanted);
        if (secret ? await secrets.change(secret, data) : await secrets.create(secretName, withoutNulls(data))) return read();
      }
      throw new Error(`Secret ${secretName} is changed all the time`);
    },
  };
}

/** In base64, by cluster; null: the cluster has none any more. */
function changes(before: Kept, wanted: Kept): Record<string, string | null> {
  const [old, next] = [byCluster(before), byCluster(wanted)];
  const data: Record<string, string | null> = {};
  for (const cluster of old.keys()) if (!next.has(cluster)) data[cluster] = null;
  for (const [cluster, ids] of next) {
    const json = JSON.stringify(ids);
    if (json !== JSON.stringify(old.get(cluster))) data[cluster] = base64(json);
  }
  return data;
}

const withoutNulls = (data: Record<string, string | null>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).filter((entry): entry is [string, string] => entry[1] !== null));
