/** The proxy on the way to the gateway, with user and password where the configuration names a Secret for them. */
import { base64, text } from '../../kube/authority-secret.ts';
import { LinkError } from '../../link/protocol.ts';
import { proxyWith } from '../../net/proxy-url.ts';
import { label, proxyKey } from '../../model/names.ts';
import type { IdentityDeps } from './deps.ts';
import type { Refused } from './owned-secrets.ts';

type Deps = Pick<IdentityDeps, 'config' | 'userSecrets'>;

/**
 * @returns URL; undefined: there is no proxy
 * @throws LinkError ProxyFailed where the Secret cannot be used
 */
export function proxyIn({ config, userSecrets }: Deps): string | undefined {
  const { proxyURL, proxySecret } = config.gateway;
  if (proxyURL === undefined || proxySecret === undefined) return proxyURL;
  const name = `Secret ${config.namespace}/${proxySecret} (gateway.proxySecret)`;
  const secret = userSecrets.get(config.namespace, proxySecret);
  if (!secret)
    throw new LinkError(
      'ProxyFailed',
      `${name} is not there with the label ${label.use}: "true"; create it with keys user and password, or allow its use with: kubectl -n ${config.namespace} label secret ${proxySecret} ${label.use}=true`,
    );
  const [user, password] = [text(secret, 'user'), text(secret, 'password')];
  if (user !== '' && password !== '' && !user.includes(':')) return proxyWith(proxyURL, { user, password });
  throw new LinkError('ProxyFailed', `${name} must have keys user and password, and no colon in user`);
}

/** Entry of the group's Secret of a service that goes through the gateway, in base64: the URL where that is a secret. */
export function proxyMaterialOf(deps: Deps): { data: Record<string, string> } | { refused: Refused } {
  if (deps.config.gateway.proxySecret === undefined) return { data: {} };
  try {
    return { data: { [proxyKey]: base64(proxyIn(deps)!) } };
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    return { refused: { ready: false, reason: error.reason, message: error.message } };
  }
}
