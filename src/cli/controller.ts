/** `frp-k8s controller`: Secrets and status. */
import { loadConfig } from '../config/load.ts';
import { control } from '../controller/run.ts';
import { openControllerPage } from './controller-page.ts';
import { parseOptions } from './options.ts';

export const help = `frp-k8s controller: keep what sidecars and people need of each DistributedService

usage: frp-k8s controller [--config FILE]

For each service: the Secrets frp-<service>-tls (client certificate, renewed before it expires) and frp-<service>-group
(group key), and the conditions of its status. For the installation: the certificate authority (Secret frp-ca) and the
frp server's certificate (Secret frp-server-tls). It never touches an object that it does not own.

      --config FILE     configuration (YAML); every key: docs/reference/configuration.md

It uses the Pod's service account, else KUBECONFIG. The plain port (FRPK8S_METRICS_PORT, 8080) has /healthz, /readyz
and /metrics. With controller.page there is a web page on a port of its own, on loopback: frp-k8s dashboard opens it.

example:
  KUBECONFIG=~/.kube/config frp-k8s controller --config config.yaml
`;

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('controller', args, { config: { type: 'string' } });
  const config = loadConfig(options.config, process.env);
  await control(config, config.controller.page && openControllerPage);
  return 0;
}
