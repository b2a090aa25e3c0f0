/** The proxy on the way to the gateway, with user and password where the configuration names a Secret for them. */
import { text } from '../../kube/authority-secret.ts';
import { LinkError } from '../../link/protocol.ts';
import { proxyWith } from '../../net/proxy-url.ts';
import { label } from '../../model/names.ts';
import type { LinkSecretDeps } from './link-secret.ts';

/**
 * @returns URL; undefined: there is no proxy
 * @throws LinkError ProxyFailed where the Secret cannot be used
 */
export function proxyIn({ config, userSecrets }: Pick<LinkSecretDeps, 'config' | 'userSecrets'>): string | undefined {
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
