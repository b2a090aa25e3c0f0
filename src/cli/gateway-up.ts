/** `frp-k8s gateway up`: a whole gateway on any Linux machine. */
import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../errors.ts';
import { runAgentPart } from '../gateway/up/agent-part.ts';
import { upConfig, type UpOptions } from '../gateway/up/settings.ts';
import { runUp } from '../gateway/up/up.ts';
import { gatewayPage } from './gateway-page.ts';
import { durationOption, parseOptions, portOption } from './options.ts';
import { ownProgram } from '../process/own-program.ts';

export const help = `frp-k8s gateway up: a whole gateway on this machine, without a cluster

usage: frp-k8s gateway up --dir DIR --address NAME [--services DIR] [options]

Starts HAProxy for users, HAProxy for tunnels, frps and the agent, and starts again what ends. Everything that it keeps is
in DIR: its authority and keys, and what runs. It needs haproxy 2.6 or newer and frps 0.70 or newer, and no root.

      --dir DIR           its directory, which it makes; nobody else may read it
      --address NAME      name or IP address by which clients reach this machine; may be repeated, the first is the one that
                          clients get
      --services DIR      YAML files with DistributedServices, and with the Secrets that they name; read again when they
                          change, and a mistake in one file is logged and leaves all others alone
      --http-port PORT    for users, default 8080: a port below 1024 needs CAP_NET_BIND_SERVICE
      --https-port PORT   for users, default 8443
      --tunnel-port PORT  for clients (frpc) and clusters that join, default 7000. That of --https-port, such as 443: they and
                          users come in there together, for networks that let out nothing else; 7000 stays open beside it
      --config FILE       configuration (YAML); keys: docs/reference/configuration.md. Flags go before it
      --haproxy PATH      default: haproxy of the PATH
      --frps PATH         default: frps of the PATH
      --drain DURATION    how long users may take to finish when the gateway ends, default 30s
      --log LEVEL         trace, debug, info, warn or error

Signals: SIGTERM and SIGINT end it, users first, then tunnels; a second one ends it at once. SIGHUP starts it anew as the
program on disk, after an update, while HAProxy and frps go on. Killed (SIGKILL) and started again, it takes over what runs.

examples:
  frp-k8s gateway up --dir /var/lib/frp-k8s --address gw.example.com --services /etc/frp-k8s/services
  frp-k8s client-config --dir /var/lib/frp-k8s --group web --name laptop --port 3000 --out laptop
`;

export async function run(args: string[]): Promise<number> {
  const values = parseOptions('gateway up', args, {
    dir: { type: 'string' },
    address: { type: 'string', multiple: true, default: [] },
    services: { type: 'string' },
    'http-port': { type: 'string' },
    'https-port': { type: 'string' },
    'tunnel-port': { type: 'string' },
    config: { type: 'string' },
    haproxy: { type: 'string' },
    frps: { type: 'string' },
    drain: { type: 'string', default: '30s' },
    log: { type: 'string' },
    // Of its own: which part this process is.
    part: { type: 'string' },
  });
  if (values.dir === undefined)
    throw new UserError(
      'gateway up: --dir is missing: the directory for its keys and state, such as --dir /var/lib/frp-k8s; see frp-k8s gateway up --help',
    );
  const options: UpOptions = {
    directory: resolve(values.dir),
    addresses: values.address,
    services: values.services === undefined ? undefined : resolve(values.services),
    httpPort: portIn('http-port', values['http-port']),
    httpsPort: portIn('https-port', values['https-port']),
    tunnelPort: portIn('tunnel-port', values['tunnel-port']),
    haproxy: values.haproxy,
    frps: values.frps,
    drainMs: durationOption('gateway up', 'drain', values.drain),
    log: logIn(values.log),
  };
  const config = upConfig(loadConfig(values.config, process.env), options);
  if (values.part === 'agent') await runAgentPart(config, { ...options, haproxy: options.haproxy ?? 'haproxy', page: gatewayPage(config) });
  else {
    const words: [string, ...string[]] = [...ownProgram(), 'gateway', 'up', ...args];
    await runUp(config, { ...options, agent: (haproxy) => [...words, '--part', 'agent', '--haproxy', haproxy] });
  }
  return 0;
}

const portIn = (option: string, text: string | undefined): number | undefined =>
  text === undefined ? undefined : portOption('gateway up', option, text);

function logIn(text: string | undefined): string | undefined {
  if (text !== undefined && !/^(trace|debug|info|warn|error)$/.test(text))
    throw new UserError(`gateway up: --log ${text} must be trace, debug, info, warn or error`);
  return text;
}
