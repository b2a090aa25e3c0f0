/** `frp-k8s dashboard`: opens the web page; and dashboards for Grafana. */
import { connect } from 'node:net';
import { existsSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { reachDirectory } from '../explain/reach.ts';
import { statusSocket } from '../gateway/up/layout.ts';
import type { Command } from './commands.ts';
import { openDoor, type Door, type DoorOptions } from '../page/door.ts';
import { resolve } from 'node:path';
import { openBrowser } from './browser.ts';
import { controllerWay } from './dashboard-way.ts';
import { parseOptions, portOption } from './options.ts';

export const help = `frp-k8s dashboard: the web page of an installation, in your browser

usage: frp-k8s dashboard [options]
       frp-k8s dashboard --dir DIR [--port PORT] [--no-open]
       frp-k8s dashboard json NAME [-n NAMESPACE]

The page shows services with state and reason, backends with health and live rates, who dials where, routes, certificates by
their end, links, last changes and refusals. It is read-only. In a cluster the controller serves it where its configuration
has controller.page (docs/guide/dashboard.md); this forwards a port of your machine to it, with your token, until Ctrl-C.

      --port PORT       of this machine, on loopback; default: any that is free
      --no-open         prints the address, and opens no browser. The address opens the page once, in one browser
      --dir DIR         of the gateway of frp-k8s gateway up in DIR, without a cluster
      --service-account NAMESPACE/NAME   looks with a token of this ServiceAccount, for a kubeconfig without one (client
                        certificates); takes the right to create serviceaccounts/token
      --installation NS namespace of the installation, default frp-system
      --config FILE     configuration of the installation; default: the one in the cluster
      --kubeconfig FILE default: KUBECONFIG, else ~/.kube/config
      --context NAME    default: the current one

It takes the right to list distributedservices of all namespaces; in frp-system to list pods, to create and get
pods/portforward, to list deployments and get the ConfigMap with the configuration (or --config), and, to find the replica that
leads, to get Lease frp-controller.

  json    the dashboard of one service for Grafana, to standard output (frp-k8s dashboard json --help). Those for all
          services are in manifests/monitoring.

examples:
  frp-k8s dashboard
  frp-k8s dashboard --dir /var/lib/frp-k8s --no-open
`;

export const subcommands: Command['subcommands'] = { json: () => import('./dashboard-json.ts') };

export async function run(args: string[]): Promise<number> {
  const values = parseOptions('dashboard', args, {
    port: { type: 'string' },
    'no-open': { type: 'boolean', default: false },
    dir: { type: 'string' },
    'service-account': { type: 'string' },
    installation: { type: 'string' },
    config: { type: 'string' },
    kubeconfig: { type: 'string' },
    context: { type: 'string' },
  });
  const port = values.port === undefined ? 0 : portOption('dashboard', 'port', values.port);
  const way = values.dir === undefined ? await controllerWay({ ...values, account: values['service-account'] }) : homeWay(values.dir);
  try {
    await identified(way);
    const door = await opened({ ...way, port });
    process.stdout.write(`the page, until Ctrl-C (the address opens it once): ${door.url}\n`);
    if (!values['no-open']) openBrowser(door.url);
    await untilSignal();
    door.close();
  } finally {
    way.close();
  }
  return 0;
}

/** Whoever cannot get a token hears of it here, and not in a browser. @throws UserError */
async function identified({ headers }: Way): Promise<void> {
  try {
    await headers();
  } catch (error) {
    throw new UserError(`dashboard: there is no token to look with: ${(error as Error).message}`, { cause: error });
  }
}

export interface Way extends Omit<DoorOptions, 'port'> {
  close: () => void;
}

/** @throws UserError where the directory is none of a gateway, or the gateway does not run */
function homeWay(directory: string): Way {
  const { problems } = reachDirectory(directory);
  if (problems.length > 0) throw new UserError(`dashboard: ${problems.join('; ')}`);
  const socket = statusSocket(resolve(directory));
  return {
    connect: async () => {
      if (!existsSync(socket)) throw new Error(`the gateway in ${directory} does not run`);
      return connect(socket);
    },
    headers: () => Promise.resolve({}),
    close: () => {},
  };
}

async function opened(options: DoorOptions): Promise<Door> {
  try {
    return await openDoor(options);
  } catch (error) {
    throw new UserError(`dashboard: ${(error as Error).message}; say another --port`, { cause: error });
  }
}

const untilSignal = (): Promise<void> =>
  new Promise((done) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => done());
  });
