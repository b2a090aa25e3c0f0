/** `frp-k8s dashboard json`: the dashboard of one service, as Grafana imports it. */
import { UserError } from '../errors.ts';
import { grafanaJson } from '../monitoring/grafana.ts';
import { dashboardOf } from '../monitoring/service-dashboard.ts';
import { parseOptions } from './options.ts';

export const help = `frp-k8s dashboard json: the dashboard of one service, for Grafana, to standard output

usage: frp-k8s dashboard json NAME [options]

  -n, --namespace NS   of the service, default: default

It asks for metrics of the gateway and the controller (docs/reference/metrics.md). The data source is chosen in Grafana.

example:
  frp-k8s dashboard json web -n shop > web-dashboard.json
`;

/** Of a DistributedService and of a namespace: what stands in a query needs no escape. */
const isName = (text: string): boolean => text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(
    'dashboard json',
    args,
    { namespace: { type: 'string', short: 'n', default: 'default' } },
    'positionals',
  );
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0)
    throw new UserError('dashboard json: name one service: frp-k8s dashboard json NAME -n NAMESPACE');
  for (const [what, text] of [
    ['NAME', name],
    ['--namespace', values.namespace],
  ] as const)
    if (!isName(text)) throw new UserError(`dashboard json: ${what} ${text} must be the name of an object in Kubernetes, such as web`);
  process.stdout.write(`${JSON.stringify(grafanaJson(dashboardOf(values.namespace, name)), undefined, 2)}\n`);
  return 0;
}
