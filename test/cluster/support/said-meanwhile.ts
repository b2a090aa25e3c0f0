/** What the gateway, the sidecars and the cluster said in a span of time: for a failed test to show, where nobody can look later. */
import { gatewayNamespace, system } from './places.ts';
import { items, tryKubectl } from './kubectl.ts';

const mostLines = 40;
const mostCharacters = 400;
/** Lines of the agent (pino's level 40 is a warning), of the supervisors, of HAProxy and of frpc. */
const telling = /"level":[456]0|"reload|supervise:|\[(?:ALERT|WARNING)\]|\[[WE]\]|start proxy|login to/;

/** @param since milliseconds since the epoch @returns lines of the gateway's containers, of the namespace's sidecars, and Events; the last of each */
export async function saidMeanwhile(namespace: string, since: number): Promise<string[]> {
  const from = `--since-time=${new Date(since).toISOString()}`;
  const pods = await items(namespace, 'pod').catch(() => []);
  const logs = [
    ...[0, 1].map((ordinal) => ['-n', gatewayNamespace, 'logs', `frp-gateway-${ordinal}`, '--all-containers', '--prefix']),
    ['-n', system, 'logs', 'deployment/frp-controller'],
    ...pods.slice(0, 4).map(({ metadata }) => ['-n', namespace, 'logs', String(metadata.name), '--all-containers', '--prefix']),
  ];
  const told = await Promise.all(
    logs.map(async (command) =>
      lastOf((await tryKubectl(...command, from, '--timestamps')).stdout.split('\n').filter((line) => telling.test(line))),
    ),
  );
  const events = await Promise.all(
    [gatewayNamespace, namespace].map(async (where) =>
      lastOf((await tryKubectl('-n', where, 'get', 'events', '--sort-by=.lastTimestamp')).stdout.split('\n')),
    ),
  );
  return [...told, ...events].flat();
}

const lastOf = (lines: readonly string[]): string[] =>
  lines
    .filter((line) => line !== '')
    .slice(-mostLines)
    .map((line) => line.slice(0, mostCharacters));
