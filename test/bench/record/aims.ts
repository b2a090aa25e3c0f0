/** What the benchmark is held against: one line an aim. A figure that no aim names is recorded and compared all the same. */

export interface Aim {
  /** of the measurement */
  id: string;
  /** what is measured, for people */
  what: string;
  /** `ratio`: to the floor of the same run; `figure`: as it is, on this machine */
  kind: 'ratio' | 'figure';
  /** of the measurement and of its floor */
  unit: string;
  /** what the ratio or the figure is held against */
  limit: number;
  better: 'less' | 'more';
  /** the ratio that is reached today where it misses by more than twice: docs/guide/performance.md says why */
  known?: number;
}

type Line = readonly [id: string, what: string, kind: Aim['kind'], unit: string, limit: number, better?: Aim['better']];

const lines: readonly Line[] = [
  ['admission.cpu.small', 'CPU of a review, 2 KB : bare node:https', 'ratio', 'ms', 1.5],
  ['admission.cpu.typical', 'CPU of a review, 8 KB : bare node:https', 'ratio', 'ms', 1.3],
  ['admission.cpu.large', 'CPU of a review, 97 KB : bare node:https', 'ratio', 'ms', 1.1],
  ['admission.p99.small', 'p99 of a review, 2 KB : bare node:https', 'ratio', 'ms', 1.5],
  ['admission.p99.typical', 'p99 of a review, 8 KB : bare node:https', 'ratio', 'ms', 1.5],
  ['admission.p99.large', 'p99 of a review, 97 KB : bare node:https', 'ratio', 'ms', 1.5],
  ['admission.start', 'first answer after the start : bare node:https', 'ratio', 'ms', 2.5],
  ['admission.rss', 'idle RSS of the webhooks : bare node:https', 'ratio', 'MB', 1.3],
  ['admission.rss.10000', 'idle RSS of the webhooks with 10,000 services', 'figure', 'MB', 100],
  ['command.version', 'frp-k8s --version : bare node', 'ratio', 'ms', 2],
  ['command.help', 'frp-k8s --help : bare node', 'ratio', 'ms', 2],
  ['command.completion', 'frp-k8s completion bash : bare node', 'ratio', 'ms', 2],
  ['command.inject', 'Pods a second, frp-k8s inject of 1,000', 'figure', 'Pods/s', 500, 'more'],
  ['controller.converge', '500 services have their certificates', 'figure', 's', 10],
  ['controller.delete', '500 services are deleted', 'figure', 's', 10],
  ['gateway.cpu.closed', 'CPU of a request, 25 connections : plain frps', 'ratio', 'µs', 1],
  ['gateway.cpu.rate', 'CPU of a request, 300 a second : plain frps', 'ratio', 'µs', 1],
  ['gateway.p99.closed', 'p99 of a request, 25 connections : plain frps', 'ratio', 'ms', 1.5],
  ['gateway.p99.rate', 'p99 of a request, 300 a second : plain frps', 'ratio', 'ms', 1.5],
  ['gateway.down', '100 MB down : plain frps', 'ratio', 'MB/s', 1, 'more'],
  ['gateway.up', '100 MB up : plain frps', 'ratio', 'MB/s', 1, 'more'],
  ['gateway.reconnect.cpu', "the gateway's CPU for each sidecar that reconnects", 'figure', 'ms', 4],
  ['gateway.reconnect.5000', '5,000 sidecars are back', 'figure', 's', 30],
  ['gateway.reconnect.p99', 'p99 of users while sidecars reconnect : before', 'ratio', 'ms', 2],
  ['gateway.agent.rss', 'RSS of the agent, 1,000 services with 5,000 members', 'figure', 'MB', 150],
  ['gateway.change', "the agent's CPU for a member's change, 2,000 services : 10 services", 'ratio', 'ms', 1],
  ['sidecar.cpu', 'CPU of frpc for a request, 25 connections : plain frpc', 'ratio', 'µs', 1],
  ['sidecar.rss', 'RSS of frpc : plain frpc', 'ratio', 'MB', 1],
];

/** Ratios that are far from their aims today: worse than twice these is worse than what is known. */
const known: Record<string, number> = { 'gateway.down': 0.2, 'gateway.reconnect.p99': 12 };

export const aims: readonly Aim[] = lines.map(([id, what, kind, unit, limit, better = 'less']) => ({
  ...{ id, what, kind, unit, limit, better },
  ...(known[id] === undefined ? {} : { known: known[id] }),
}));
