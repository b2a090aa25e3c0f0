/** `frp-k8s dashboard`: dashboards for Grafana. */
import { UserError } from '../errors.ts';
import type { Command } from '../main.ts';

export const help = `frp-k8s dashboard: dashboards for Grafana

usage: frp-k8s dashboard json NAME [-n NAMESPACE]

  json    the dashboard of one service, to standard output

frp-k8s dashboard json --help tells more. Those for all services are in manifests/monitoring.
`;

export const subcommands: Command['subcommands'] = { json: () => import('./dashboard-json.ts') };

export function run(): Promise<number> {
  throw new UserError('dashboard: say what: frp-k8s dashboard json NAME; see frp-k8s dashboard --help');
}
