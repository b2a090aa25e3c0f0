/** The proxy on the way to the gateway, with user and password where the configuration names a Secret for them. */
import { text } from '../../kube/authority-secret.ts';
import { missing } from '../../kube/secret-references.ts';
import { LinkError } from '../../link/protocol.ts';
import { proxyWith } from '../../net/proxy-url.ts';
import type { LinkSecretDeps } from './link-secret.ts';

/**
 * @returns URL; undefined: there is no proxy
 * @throws LinkError ProxyFailed where the Secret cannot be used
 */
export function proxyIn({ config, userSecrets }: Pick<LinkSecretDeps, 'config' | 'userSecrets'>): string | undefined {
  const { proxyURL, proxySecret } = config.gateway;
  if (proxyURL === undefined || proxySecret === undefined) return proxyURL;
  const { namespace } = config;
  const reference = { secret: proxySecret, field: 'gateway.proxySecret' };
  const secret = userSecrets.get(namespace, proxySecret);
  if (!secret) throw new LinkError('ProxyFailed', missing(reference, namespace, ' with keys user and password').message);
  const [user, password] = [text(secret, 'user'), text(secret, 'password')];
  if (user !== '' && password !== '' && !user.includes(':')) return proxyWith(proxyURL, { user, password });
  throw new LinkError(
    'ProxyFailed',
    `Secret ${namespace}/${proxySecret} (${reference.field}) must have keys user and password, and no colon in user`,
  );
}
