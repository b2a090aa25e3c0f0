/** Which cluster a key of tokens belongs to, in a file of one machine or in a Secret of the gateway's namespace. */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { base64, text } from '../../kube/authority-secret.ts';
import { replaceFile } from '../../process/replace-file.ts';
import { withKeys, type KeyOwnersStore, type Owners } from './key-owners.ts';
import type { LinkSecrets } from './link-secrets.ts';

const schema = z.record(z.string(), z.string());

/** @param path absolute */
export function fileKeyOwners(path: string): KeyOwnersStore {
  let owners = readOwners(path);
  return {
    read: () => owners,
    give: async (cluster, fingerprints) => {
      const next = withKeys(owners, cluster, fingerprints);
      await replaceFile(path, `${JSON.stringify(next)}\n`);
      return (owners = next);
    },
    subscribe: () => {},
  };
}

function readOwners(path: string): Owners {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return {};
  }
}

const secretName = 'frp-gateway-keys';
const mostTries = 10;

/** Of two replicas that give a key at once the one that writes first decides. */
export function kubeKeyOwners(secrets: LinkSecrets): KeyOwnersStore {
  const ownersIn = (secret = secrets.get(secretName)): Owners =>
    Object.fromEntries(Object.keys(secret?.data ?? {}).map((fingerprint) => [fingerprint, text(secret!, fingerprint)]));
  return {
    read: () => ownersIn(),
    give: async (cluster, fingerprints) => {
      for (let tries = 0; tries < mostTries; tries++) {
        const secret = await secrets.look(secretName);
        const before = secret ? ownersIn(secret) : {};
        const next = withKeys(before, cluster, fingerprints);
        const data = Object.fromEntries(Object.entries(next).map(([fingerprint, owner]) => [fingerprint, base64(owner)]));
        const gone = Object.keys(before).filter((fingerprint) => !Object.hasOwn(next, fingerprint));
        const changed = Object.keys(data).some((fingerprint) => before[fingerprint] !== next[fingerprint]);
        if (gone.length === 0 && !changed) return next;
        const change = { ...data, ...Object.fromEntries(gone.map((fingerprint) => [fingerprint, null])) };
        if (secret ? await secrets.change(secret, change) : await secrets.create(secretName, data)) return next;
      }
      throw new Error(`Secret ${secretName} is changed all the time`);
    },
    subscribe: (changed) =>
      secrets.subscribe(({ metadata }) => {
        if (metadata.name === secretName) changed();
      }),
  };
}
