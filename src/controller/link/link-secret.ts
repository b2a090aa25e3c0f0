/** What a cluster keeps of its joining: Secret frp-gateway-join before it, Secret frp-gateway-link after. */
import type { Config } from '../../config/schema.ts';
import { base64, text } from '../../kube/authority-secret.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreGone } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import type { ObjectStore } from '../../kube/object-store.ts';
import { secrets, type Secret } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { joinWith, type LinkIdentity } from '../../link/held-link.ts';
import { LinkError } from '../../link/protocol.ts';
import { parseToken, type JoinToken } from '../../link/token.ts';
import { hasGateway } from '../../model/gateway.ts';
import { proxyIn } from './proxy-secret.ts';
import { annotation, joinProblemPrefix, joinSecretName, label, linkSecretName, manager } from '../../model/names.ts';

export interface LinkSecretDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  secrets: ObjectStore<Secret>;
  /** those with the label frp.io/use: "true" */
  userSecrets: ObjectStore<Secret>;
}

/** undefined where the cluster has not joined, or the Secret cannot be used */
export function linkIdentityIn({ secrets: store, config }: Pick<LinkSecretDeps, 'secrets' | 'config'>): LinkIdentity | undefined {
  const secret = store.get(config.namespace, linkSecretName);
  if (!secret) return undefined;
  const value = (key: string) => text(secret, key);
  const addresses = value('addresses')
    .split('\n')
    .filter((line) => line !== '');
  const identity = {
    certPem: value('tls.crt'),
    keyPem: value('tls.key'),
    authorityPem: value('ca.crt'),
    addresses,
    cluster: value('cluster'),
  };
  return identity.certPem === '' || identity.keyPem === '' || identity.authorityPem === '' ? undefined : identity;
}

export async function keepLinkIdentity({ client, config, secrets: store }: LinkSecretDeps, identity: LinkIdentity): Promise<void> {
  const values = {
    'tls.crt': identity.certPem,
    'tls.key': identity.keyPem,
    'ca.crt': identity.authorityPem,
    addresses: `${identity.addresses.join('\n')}\n`,
    cluster: identity.cluster,
  };
  const metadata = { name: linkSecretName, namespace: config.namespace, labels: { [label.managedBy]: manager } };
  const data = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, base64(value)]));
  const known = store.get(config.namespace, linkSecretName);
  store.set(
    known
      ? await client.mergePatch<Secret>(secrets, config.namespace, linkSecretName, { data })
      : await client.create<Secret>(secrets, { metadata, type: 'Opaque', data }, fieldManager.controller),
  );
}

/** What only another token mends; everything else is tried again. */
const isFinal = (error: unknown): boolean =>
  error instanceof LinkError && ['TokenInvalid', 'TokenUsed', 'TokenExpired', 'TokenUnknown', 'PinDiffers'].includes(error.reason);

/**
 * What keeps the cluster from using a gateway elsewhere although it may join it, so that the token would be used up in vain.
 * @throws LinkError NotConfigured, with the keys to set
 */
function checkConfigured({ gateway }: Config, { addresses }: JoinToken): void {
  const missing = [
    ...(gateway.elsewhere ? [] : ['gateway.elsewhere: true']),
    ...(hasGateway({ gateway }) ? [] : [`gateway.addresses: [${addresses.map((address) => JSON.stringify(address)).join(', ')}]`]),
  ];
  if (missing.length === 0) return;
  throw new LinkError(
    'NotConfigured',
    `the configuration of this cluster (config.yaml in ConfigMap frp-k8s-config) lacks ${missing.join(' and ')}; the token has not been used: once that is set and the Deployments have restarted, the controller joins with it`,
  );
}

const prefixOf = (error: LinkError): string => {
  if (error.reason === 'NotConfigured') return joinProblemPrefix.notConfigured;
  return isFinal(error) ? joinProblemPrefix.final : '';
};

/**
 * Joins with the token that is there, if there is one that has not failed for good. The token goes when it has been used.
 * @returns whether to try again
 * @throws KubeError
 */
export async function joinIfAsked(deps: LinkSecretDeps, signal: AbortSignal): Promise<{ isToBeTriedAgain: boolean }> {
  const { client, config, log, secrets: store } = deps;
  const secret = store.get(config.namespace, joinSecretName);
  if (!secret) return { isToBeTriedAgain: false };
  const { uid, annotations } = secret.metadata;
  const told = annotations?.[annotation.joinProblem];
  if (told?.startsWith(joinProblemPrefix.final)) return { isToBeTriedAgain: false };
  try {
    const token = parseToken(text(secret, 'token'));
    checkConfigured(config, token);
    const identity = await joinWith(token, signal, proxyIn(deps));
    await keepLinkIdentity(deps, identity);
    log.info({ cluster: identity.cluster, addresses: identity.addresses }, `joined the gateway as cluster ${identity.cluster}`);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    log.error({ reason: error.reason }, `the cluster has not joined the gateway: ${error.message}`);
    const prefix = prefixOf(error);
    const problem = `${prefix}${error.message}`.slice(0, 2000);
    if (problem !== told) {
      const patch = { metadata: { annotations: { [annotation.joinProblem]: problem } } };
      store.set(await client.mergePatch<Secret>(secrets, config.namespace, joinSecretName, patch));
    }
    return { isToBeTriedAgain: prefix === '' };
  }
  await client.delete(secrets, config.namespace, joinSecretName, uid).catch(ignoreGone);
  store.delete(secret);
  return { isToBeTriedAgain: false };
}
