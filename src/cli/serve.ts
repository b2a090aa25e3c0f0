/** `frp-k8s serve`: the webhooks. */
import { loadConfig } from '../config/load.ts';
import { serve } from '../webhook/run.ts';
import { parseOptions } from './options.ts';

export const help = `frp-k8s serve: answer admission reviews over HTTPS

usage: frp-k8s serve [--config FILE] [--services FILE|DIR]

In a cluster it watches DistributedServices and makes its own certificate. With --services it is the embedded default:
no cluster, services from files (read again when they change), a certificate in memory.

      --config FILE     configuration (YAML); every key: docs/reference/configuration.md
      --services PATH   file or directory with DistributedServices, in place of a cluster

The environment goes before the file: FRPK8S_HOST, FRPK8S_PORT (8443), FRPK8S_METRICS_PORT (8080: /healthz, /readyz,
/metrics), FRPK8S_TLS_CERT_FILE and FRPK8S_TLS_KEY_FILE (absent: self-managed), FRPK8S_SERVICES_DIR, FRPK8S_LOG_LEVEL.
SIGTERM drains: /readyz fails, reviews are answered for some seconds more, then the program ends. A second ends it now.

paths: POST /mutate/pods, /mutate/distributedservices, /validate/distributedservices, /validate/workloads

examples:
  frp-k8s serve --services manifests/samples
  FRPK8S_PORT=9443 frp-k8s serve --config config.yaml
`;

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('serve', args, { config: { type: 'string' }, services: { type: 'string' } });
  const config = loadConfig(options.config, process.env);
  await serve({ ...config, servicesDir: options.services ?? config.servicesDir });
  return 0;
}
