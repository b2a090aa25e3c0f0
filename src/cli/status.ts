/** `frp-k8s status`: the installation and its services on one screen. */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../errors.ts';
import { askAll, reachDirectory } from '../explain/reach.ts';
import { readStatus, statusAtHome, type Status } from '../explain/status.ts';
import { statusText } from '../explain/status-text.ts';
import { worldOf } from '../explain/world.ts';
import type { Summary } from '../gateway/api/report-types.ts';
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { durationOption, parseOptions } from './options.ts';

export const help = `frp-k8s status: the installation and its services on one screen

usage: frp-k8s status [-n NAMESPACE | -A] [-w] [-o text|json] [options]

Of each service: state and healthy backends as the controller has observed them, where users reach it, why it is not ready;
requests a second and p99 as the gateway's replicas measure them, "?" where they cannot be asked, and why below.

  -n, --namespace NS     services of this namespace; default: that of the context, or default
  -A, --all-namespaces   of all
  -w, --watch            goes on until Ctrl-C; on a terminal in place, else one screen after another
      --interval TIME    between two looks, default 2s
  -o, --output FORMAT    text (default) or json; with -w one object a line
      --dir DIR          of the gateway of frp-k8s gateway up in DIR, without a cluster
      --config FILE      configuration of the installation; default: the one in the cluster
      --installation NS  namespace of the installation, default frp-system
      --kubeconfig FILE  default: KUBECONFIG, else ~/.kube/config
      --context NAME     default: the current one

It takes the right to list distributedservices, and deployments and statefulsets of frp-system and frp-gateway. For rates: list
pods, and create and get pods/portforward, in frp-gateway; get Secret frp-server-api in frp-system.

examples:
  frp-k8s status -A
  frp-k8s status -n shop -w
  frp-k8s status --dir /var/lib/frp-k8s
`;

interface Source {
  read: () => Promise<Status>;
  close: () => void;
}

export async function run(args: string[]): Promise<number> {
  const values = parseOptions('status', args, {
    namespace: { type: 'string', short: 'n' },
    'all-namespaces': { type: 'boolean', short: 'A', default: false },
    watch: { type: 'boolean', short: 'w', default: false },
    interval: { type: 'string', default: '2s' },
    output: { type: 'string', short: 'o', default: 'text' },
    dir: { type: 'string' },
    config: { type: 'string' },
    installation: { type: 'string' },
    kubeconfig: { type: 'string' },
    context: { type: 'string' },
  });
  if (!['text', 'json'].includes(values.output)) throw new UserError(`status: -o ${values.output}: must be text or json`);
  const interval = Math.max(500, durationOption('status', 'interval', values.interval));
  const source = values.dir === undefined ? await clusterSource(values) : homeSource(values.dir, values.namespace);
  try {
    if (values.watch) await watch(source, interval, values.output === 'json');
    else
      process.stdout.write(
        values.output === 'json' ? `${JSON.stringify(await source.read(), null, 2)}\n` : statusText(await source.read()),
      );
  } finally {
    source.close();
  }
  return 0;
}

interface ClusterOptions {
  namespace?: string | undefined;
  'all-namespaces': boolean;
  config?: string | undefined;
  installation?: string | undefined;
  kubeconfig?: string | undefined;
  context?: string | undefined;
}

/** What does not change while one looks on is read once; a replica that comes later is found at the next start. */
async function clusterSource(values: ClusterOptions): Promise<Source> {
  const access = loadAccess(values);
  const client = new KubeClient(access);
  const given = values.config === undefined ? undefined : loadConfig(values.config, process.env);
  const { config, reach, gaps } = await worldOf(client, values.installation, given);
  const namespace = values['all-namespaces'] ? undefined : (values.namespace ?? access.namespace ?? 'default');
  const options = { config, reach, namespace, installation: values.installation ?? config.namespace };
  return {
    read: async () => {
      const status = await readStatus(client, options);
      return { ...status, unknown: [...gaps.map(({ text }) => text), ...status.unknown] };
    },
    close: () => client.close(),
  };
}

const homeSource = (directory: string, namespace: string | undefined): Source => ({
  read: async () => {
    const question = namespace === undefined ? '/api/summary' : `/api/summary?namespace=${namespace}`;
    return statusAtHome(await askAll<Summary>(reachDirectory(directory), question), new Date().toISOString());
  },
  close: () => {},
});

/** Until Ctrl-C, or until nobody reads any more. */
async function watch({ read }: Source, interval: number, isJson: boolean): Promise<void> {
  const { stdout } = process;
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  stdout.once('error', end);
  const ended = new Promise<undefined>((resolve) => stop.signal.addEventListener('abort', () => resolve(undefined)));
  const isScreen = stdout.isTTY && !isJson;
  if (isScreen) stdout.write(screen.open);
  try {
    while (!stop.signal.aborted) {
      const status = await Promise.race([read(), ended]);
      if (!status) break;
      if (isJson) stdout.write(`${JSON.stringify(status)}\n`);
      else if (isScreen) stdout.write(frameOf(statusText(status, { columns: stdout.columns, rows: stdout.rows })));
      else stdout.write(`${statusText(status)}\n`);
      await sleep(interval, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    if (isScreen) stdout.write(screen.close);
  }
}

/** The other screen of the terminal, without a cursor; what was there before comes back at the end. */
const screen = { open: '\u001b[?1049h\u001b[?25l', close: '\u001b[?25h\u001b[?1049l' } as const;

/** Over the last one, line by line, as one write: nothing is blank in between. */
export const frameOf = (text: string): string => `\u001b[H${text.trimEnd().replaceAll('\n', '\u001b[K\r\n')}\u001b[K\u001b[J`;
