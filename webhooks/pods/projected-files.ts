/** What a sidecar has beside its configuration: certificate, authority, keys and tokens, as sources of a projected volume. */
import { basename } from 'node:path';
import type { Config } from '../../src/config/schema.ts';
import { groupKeyFile, proxyPath } from '../../src/frp/client-config.ts';
import { externalSecretName, frpsAuthorityKey, frpsTokenKey, groupSecretName, proxyKey, tlsSecretName } from '../../src/model/names.ts';
import type { DistributedService } from '../../src/model/types.ts';

/** Seconds; the kubelet renews a token when four fifths of its life are over (kubelet, pkg/kubelet/token). */
const tokenSeconds = 3600;

/** Every Secret is optional: a slow controller delays the tunnel, never the app. */
const from = (secret: string, items: Record<string, string>) => ({
  secret: { name: secret, optional: true, items: Object.entries(items).map(([key, path]) => ({ key, path })) },
});
const whole = (secret: string) => ({ secret: { name: secret, optional: true } });
const pair = { 'tls.crt': 'tls.crt', 'tls.key': 'tls.key' };

/**
 * For the sidecar of one group. In mode manual the client certificate is the user's, in mode external cert-manager's, and
 * the server is still verified against the installation's CA.
 * @param audience of the token that the gateway is shown; undefined: the plain frp server, which is shown the group key
 */
export function certificateSources(
  { metadata, spec }: DistributedService,
  audience: string | undefined,
  { frps, gateway }: Config,
): object[] {
  const mtls = spec.security?.mtls;
  const own = tlsSecretName(metadata.name);
  const certSecret = mtls?.enabled
    ? { auto: undefined, manual: mtls.certSecret, external: externalSecretName(metadata.name) }[mtls.mode ?? 'auto']
    : undefined;
  return [
    ...(certSecret === undefined
      ? [from(own, { ...pair, 'ca.crt': 'ca.crt' })]
      : [from(certSecret, pair), from(own, { 'ca.crt': 'ca.crt' })]),
    audience === undefined
      ? from(groupSecretName(metadata.name), {
          key: 'group.key',
          ...(frps.auth && { [frpsTokenKey]: frpsTokenKey }),
          ...(frps.caSecret !== undefined && { [frpsAuthorityKey]: frpsAuthorityKey }),
        })
      : tokenFor(audience),
    ...(audience === undefined || gateway.proxySecret === undefined
      ? []
      : [from(groupSecretName(metadata.name), { [proxyKey]: basename(proxyPath) })]),
  ];
}

const tokenFor = (audience: string) => ({ serviceAccountToken: { path: 'token', audience, expirationSeconds: tokenSeconds } });

/**
 * For the sidecar of several groups. What each of them has alike (certificate, authority, the server's token, the proxy on
 * the way) comes from whichever is there: of sources that bring the same file the kubelet takes the last (kubelet,
 * pkg/volume/projected), and the API server refuses this only where both name the file in `items`. The first group's come
 * last. So the files stay as long as one of the groups does, and within a minute or so another's replace those of a group
 * that is gone.
 */
export function sharedSources(services: readonly DistributedService[], audience: string | undefined, config: Config): object[] {
  const { frps, gateway } = config;
  const names = services.map(({ metadata }) => metadata.name);
  const hasMore = audience === undefined ? frps.auth !== undefined || frps.caSecret !== undefined : gateway.proxySecret !== undefined;
  const users = sharedCertificate(services);
  return [
    ...names.toReversed().map((name) => whole(tlsSecretName(name))),
    ...(hasMore ? names.toReversed().map((name) => whole(groupSecretName(name))) : []),
    ...(users === undefined ? [] : [from(users, pair)]),
    ...(audience === undefined
      ? names.map((name, index) => from(groupSecretName(name), { key: groupKeyFile(index) }))
      : [tokenFor(audience)]),
  ];
}

/** The user's Secret (mode manual) that the sidecar of several groups shows: one that each of them names. */
export function sharedCertificate(services: readonly DistributedService[]): string | undefined {
  const named = new Set(services.map(usersCertificate));
  return named.size === 1 ? [...named][0] : undefined;
}

/** Of mode manual. */
function usersCertificate({ spec }: DistributedService): string | undefined {
  const mtls = spec.security?.mtls;
  return mtls?.enabled && mtls.mode === 'manual' ? mtls.certSecret : undefined;
}

/** Whether its own sidecar would show another certificate than the controller's. */
export const hasOtherCertificate = ({ spec }: DistributedService): boolean =>
  spec.security?.mtls?.enabled === true && (spec.security.mtls.mode ?? 'auto') !== 'auto';
