/** An OpenID Connect issuer: discovery and keys are served by a Pod, or by a machine elsewhere; tokens are signed here. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Manifest } from './kubectl.ts';
import { pod, script } from './objects.ts';

export interface Token {
  audience?: string;
  roles?: string[];
  /** from now; negative: it has expired */
  seconds?: number;
}

export interface Issuer {
  url: string;
  /** its Pod, named "issuer", and the Service that `url` names */
  objects: Manifest[];
  /** what serves them, for node's `-e` */
  source: string;
  sign: (token: Token) => Promise<string>;
}

/** @param audience of tokens that name none @param url default: of the Service; what listens there is at its port */
export async function createIssuer(
  namespace: string,
  audience: string,
  url = `http://issuer.${namespace}.svc.cluster.local:8080`,
): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const documents = {
    '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/jwks` },
    '/jwks': { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }] },
  };
  const source = `
    const documents = ${JSON.stringify(documents)};
    require('node:http').createServer(({ url }, answer) => {
      answer.writeHead(documents[url] ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(documents[url] ?? {}));
    }).listen(${new URL(url).port});
    process.on('SIGTERM', () => process.exit(0));`;
  const service: Manifest = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'issuer', namespace },
    spec: { selector: { app: 'issuer' }, ports: [{ port: 8080 }] },
  };
  const sign = (token: Token): Promise<string> =>
    new SignJWT({ roles: token.roles ?? [] })
      .setProtectedHeader({ alg: 'RS256', kid: 'one' })
      .setIssuer(url)
      .setAudience(token.audience ?? audience)
      .setSubject('a-user')
      .setExpirationTime(Math.floor(Date.now() / 1000) + (token.seconds ?? 3600))
      .sign(privateKey);
  return { url, source, objects: [pod({ namespace, name: 'issuer', container: script(source) }), service], sign };
}
