/** frpc as the injector configures it, with files of this bench in the place of the Pod's volumes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { issue, type Authority } from '../../../certs/authority.ts';
import type { Config } from '../../../src/config/schema.ts';
import { certificateDirectory, renderClientConfig, tokenPath } from '../../../src/frp/client-config.ts';
import { tuningOf } from '../../../src/frp/tuning.ts';
import { serversOf } from '../../../src/model/gateway.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import type { Pod, Signer } from '../../unit/gateway/agent-tokens.ts';

export const hour = 3_600_000;
const groupKey = 'a key of the group, which only plain frp servers ask for';

export interface Identity {
  signer: Signer;
  /** directory of the certificate */
  certificates: string;
}

/** One certificate for all: a handshake costs the same, and an RSA key for each would cost minutes. */
export async function issueTo(authority: Authority, directory: string, usage: 'clientAuth' | 'serverAuth'): Promise<void> {
  const request = { commonName: 'bench', ipAddresses: ['127.0.0.1'], usages: [usage], lifetimeMs: hour, now: Date.now() };
  const { certPem, keyPem } = await issue(authority, request);
  mkdirSync(directory, { recursive: true });
  for (const [file, text] of Object.entries({ 'tls.crt': certPem, 'tls.key': keyPem, 'ca.crt': authority.bundlePem }))
    writeFileSync(path.join(directory, file), text);
}

export interface SidecarFiles {
  pod: Pod;
  service: DistributedService;
  /** of the app */
  port: number;
  config: Config;
  identity: Identity;
  directory: string;
  logLevel?: string;
}

/** @returns the path of its configuration */
export async function writeSidecar({ pod, service, port, config, identity, directory, logLevel = 'info' }: SidecarFiles): Promise<string> {
  const [tokens, file] = [path.join(directory, 'tokens'), path.join(directory, 'clients', `${pod.name}.json`)];
  for (const each of [tokens, path.dirname(file)]) mkdirSync(each, { recursive: true });
  const token = path.join(tokens, pod.name);
  const text = renderClientConfig(
    {
      members: [{ service, localPort: port }],
      namespace: pod.namespace,
      tuning: tuningOf(service.spec, undefined, { cpu: undefined, memory: undefined }),
      logLevel,
      gateway: serversOf(service.spec, config)[0],
    },
    config,
  )
    .replaceAll(tokenPath, token)
    .replaceAll(certificateDirectory, identity.certificates)
    .replaceAll('{{ .Envs.POD_NAME }}', pod.name)
    .replaceAll('{{ .Envs.POD_UID }}', pod.uid)
    .replaceAll('{{ .Envs.FRP_GROUP_KEY }}', groupKey);
  writeFileSync(token, await identity.signer.token(pod));
  writeFileSync(file, text);
  return file;
}

export const podOf = (name: string, number: number): Pod => ({
  namespace: 'shop',
  name: `${name}-${number}`,
  uid: `3f2a6c1e-0000-4000-8000-${String(number).padStart(12, '0')}`,
});
