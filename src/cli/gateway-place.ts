/** Where `gateway token` and `gateway clusters` find a gateway: in a directory of this machine, or in a cluster. */
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { AuthorityState } from '../../certs/rotation.ts';
import { UserError } from '../errors.ts';
import { KubeLinkStore } from '../gateway/links/kube-link-store.ts';
import { homeSecretName, linkHomeIn } from '../gateway/links/link-home.ts';
import { LinkSecrets } from '../gateway/links/link-secrets.ts';
import { FileLinkStore, type LinkStore } from '../gateway/links/link-store.ts';
import { markerFile, openHome } from '../gateway/up/home.ts';
import { knownAddresses } from '../gateway/up/known-addresses.ts';
import { linksDirectory, restartFile, runDirectory } from '../gateway/up/layout.ts';
import { authorityStateOf, storeAuthorityState } from '../gateway/up/rotation.ts';
import { loadAccess } from '../kube/access.ts';
import { authorityStateFrom, storeAuthorityState as storeSecretState } from '../kube/authority-secret.ts';
import { KubeClient } from '../kube/client.ts';

export const placeOptions = {
  dir: { type: 'string' },
  kubeconfig: { type: 'string' },
  context: { type: 'string' },
  namespace: { type: 'string', short: 'n' },
} as const;

export const placeHelp = `A gateway on a machine:

      --dir DIR            its directory (frp-k8s gateway up)

A gateway in a cluster, where --dir is not said; it takes the right to get, list, create, patch and delete Secrets of its
namespace:

      --kubeconfig FILE    default: KUBECONFIG, else ~/.kube/config
      --context NAME       default: the current one
  -n, --namespace NS       namespace of the gateway, default frp-gateway
`;

export type PlaceValues = { [option in keyof typeof placeOptions]?: string | undefined };

export interface Place {
  store: LinkStore;
  /** @throws UserError where there is no gateway */
  check(): void;
  /** HOST:PORT of the gateway, as clusters dial it. @throws UserError where it has never been started */
  addresses(): Promise<string[]>;
  /** signs what the two ends of links are known by; asked for after the addresses. @throws UserError */
  authority(): Promise<{ certPem: string }>;
  rotation: PlaceRotation;
  close(): void;
}

/** How far the replacement of its authority is, and its next step. */
export interface PlaceRotation {
  /** whether sidecars and machines outside clusters know the gateway by it as well: in a cluster the links alone do */
  isOfTunnels: boolean;
  /** @throws UserError where there is no gateway */
  state(): Promise<AuthorityState>;
  /** Has the gateway go on with another one, made from the state that was read last. @throws KubeError: somebody else was faster */
  put(state: AuthorityState): Promise<void>;
}

/** @param command for errors @throws UserError, KubeError */
export async function openPlace(command: string, values: PlaceValues): Promise<Place> {
  const { dir, ...ofCluster } = values;
  if (dir === undefined) return clusterPlace(command, ofCluster);
  const [stray] = Object.entries(ofCluster).flatMap(([option, value]) => (value === undefined ? [] : [option]));
  if (stray !== undefined)
    throw new UserError(`${command}: --dir is of a gateway on this machine, --${stray} of one in a cluster: say one`);
  return directoryPlace(command, resolve(dir));
}

function directoryPlace(command: string, directory: string): Place {
  return {
    store: new FileLinkStore(linksDirectory(directory)),
    check: () => {
      if (existsSync(join(directory, markerFile))) return;
      throw new UserError(`${command}: ${directory} is no gateway's directory: say the one that frp-k8s gateway up was started with`);
    },
    addresses: async () => {
      const addresses = await knownAddresses(directory);
      if (addresses) return addresses;
      throw new UserError(
        `${command}: no gateway has been started in ${directory}: do it once (frp-k8s gateway up --dir ${directory} --address NAME), or name its address with --address`,
      );
    },
    authority: async () => (await openHome(directory)).authority,
    rotation: {
      isOfTunnels: true,
      state: async () => {
        await openHome(directory);
        return authorityStateOf(directory);
      },
      put: async (state) => {
        await storeAuthorityState(directory, state, (await openHome(directory)).issuer);
        // HAProxy and frps go on; the agent has what it needs from the directory.
        if (existsSync(runDirectory(directory))) writeFileSync(restartFile(directory, 'agent'), '');
      },
    },
    close: () => {},
  };
}

async function clusterPlace(command: string, values: Omit<PlaceValues, 'dir'>): Promise<Place> {
  const { kubeconfig, context, namespace = 'frp-gateway' } = values;
  const client = connect(command, { kubeconfig, context });
  const secrets = new LinkSecrets({ client, namespace });
  try {
    await secrets.refresh();
  } catch (error) {
    client.close();
    throw error;
  }
  const home = () => {
    const found = linkHomeIn(secrets);
    if (found) return found;
    throw new UserError(
      `${command}: namespace ${namespace} of the cluster at ${client.access.server} has no gateway that takes joins: say another one with -n, or --dir for a gateway on this machine`,
    );
  };
  return {
    store: new KubeLinkStore(secrets),
    check: () => void home(),
    addresses: () => Promise.resolve(home().addresses),
    authority: () => Promise.resolve(home().authority),
    rotation: {
      isOfTunnels: false,
      state: () => {
        home();
        return Promise.resolve(authorityStateFrom(secrets.get(homeSecretName)!));
      },
      // Its replicas watch the Secret.
      put: async (state) => void (await storeSecretState(client, secrets.get(homeSecretName)!, state)),
    },
    close: () => client.close(),
  };
}

function connect(command: string, from: { kubeconfig?: string | undefined; context?: string | undefined }): KubeClient {
  try {
    return new KubeClient(loadAccess(from));
  } catch (error) {
    throw new UserError(`${command}: ${(error as Error).message}; or say --dir for a gateway on this machine`, { cause: error });
  }
}
