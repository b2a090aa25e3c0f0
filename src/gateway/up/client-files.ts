/** The files of a client outside any cluster: frpc as the injector configures it, with names in place of a Pod's environment. */
import { join } from 'node:path';
import { clientSettings, proxiesOf } from '../../frp/client-config.ts';
import { toFrpJson } from '../../frp/template.ts';
import type { Tuning } from '../../frp/tuning.ts';
import { defaultConfig } from '../../config/schema.ts';
import { gatewayAddresses } from '../../model/gateway.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Client } from './home.ts';

export interface ClientFilesInput {
  /** name of the DistributedService */
  service: string;
  localIP: string;
  /** of a service with several ports the first one's */
  localPort: number;
  /** by name of the service's ports; absent where it has one */
  localPorts?: Readonly<Record<string, number>> | undefined;
  /** where the machine tells its role (model/read-write.ts), and then it has one port for users; undefined: it has none */
  rolePort?: number | undefined;
  /** HOST or HOST:PORT of the gateway's tunnels */
  address: string;
  /** URL of a proxy on the way (link/proxy-url.ts); undefined: none */
  proxy: string | undefined;
  /** where the files will be; empty: where frpc is started */
  path: string;
  tuning: Tuning;
}

/** By name. */
export function clientConfig(client: Client, authorityPem: string, input: ClientFilesInput): Record<string, string> {
  const { namespace, name, uid, certPem, keyPem, token } = client;
  const { service: serviceName, localIP, localPort, localPorts, rolePort, address, proxy, path, tuning } = input;
  const [gateway] = gatewayAddresses({ ...defaultConfig, gateway: { ...defaultConfig.gateway, addresses: [address] } });
  // What of a service matters to its tunnels.
  const ports = localPorts && Object.entries(localPorts).map(([port, backendPort]) => ({ name: port, port: backendPort }));
  const backends = rolePort === undefined ? undefined : { readWrite: { roleCheck: { port: rolePort } } };
  const spec = { serviceType: 'tcp', ...(ports && { expose: { ports } }), ...(backends && { backends }) };
  const service = { metadata: { name: serviceName, namespace }, spec } as DistributedService;
  const files = {
    'tls.crt': certPem,
    'tls.key': keyPem,
    'ca.crt': authorityPem,
    token,
  };
  const at = (file: keyof typeof files) => join(path, file);
  const settings = clientSettings(
    {
      tuning,
      logLevel: 'info',
      gateway,
      proxy,
      files: { certFile: at('tls.crt'), keyFile: at('tls.key'), trustedCaFile: at('ca.crt'), tokenFile: at('token') },
    },
    defaultConfig,
  );
  const proxies = proxiesOf({ service, namespace, localIP, localPort, member: [`${name}.${uid}`], gateway }, defaultConfig);
  return { 'frpc.json': `${toFrpJson({ ...settings, proxies })}\n`, ...files };
}
