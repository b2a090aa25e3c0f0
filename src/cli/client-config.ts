/** `frp-k8s client-config`: what frpc needs on a machine outside any cluster to join a service of a gateway. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../errors.ts';
import { isPortName, mostPorts } from '../model/ports.ts';
import { tuningOf } from '../frp/tuning.ts';
import { clientConfig } from '../gateway/up/client-files.ts';
import { issueClient, markerFile, openHome } from '../gateway/up/home.ts';
import { replaceFile } from '../process/replace-file.ts';
import { isProxy, proxyWith } from '../net/proxy-url.ts';
import { bracketed } from '../gateway/up/settings.ts';
import { knownAddresses } from '../gateway/up/known-addresses.ts';
import { servesService } from '../gateway/up/known-services.ts';
import { tar } from './tar.ts';
import { durationOption, parseOptions, portOption } from './options.ts';

export const help = `frp-k8s client-config: let a machine outside any cluster join a service, with frpc alone

usage: frp-k8s client-config --dir DIR --group SERVICE --name NAME --port PORT --out DIR [options]

To be run where the gateway runs: it signs with the gateway's keys. It writes a directory with frpc.json, a client
certificate, a token and the gateway's authority. Take it to the machine and start frpc in it: frpc -c frpc.json
Whoever has the directory can join the services of its namespace, so keep it as you keep a private key.

      --dir DIR           directory of the gateway (frp-k8s gateway up --dir)
      --group SERVICE     name of the DistributedService
  -n, --namespace NS      of the service, default: default
      --name NAME         of the machine, among those of the service: lower-case letters, digits and -
      --port PORT         where the app listens on the machine; of a service with several ports NAME=PORT for each, with commas
      --role-port PORT    where the machine tells whether it is the primary (roleCheck.port of a service with readWrite)
      --host HOST         where the app listens, default 127.0.0.1
      --address HOST:PORT of the gateway, default: as gateway up was told (--address, --tunnel-port)
      --proxy URL         proxy on the machine's way out: http://HOST:PORT or socks5://HOST:PORT
      --proxy-auth FILE   its user and password, as USER:PASSWORD
      --path DIR          where the files will be on the machine; default: where frpc is started
      --lifetime DURATION how long certificate and token are good, default 8760h (a year)
      --config FILE       the configuration that gateway up has
  -o, --out DIR           what to write, which must not be there yet; - writes a tar archive to standard output

example:
  frp-k8s client-config --dir /var/lib/frp-k8s --group web --name laptop --port 3000 --out laptop
  scp -r laptop me@laptop: && ssh me@laptop 'cd laptop && frpc -c frpc.json'
  frp-k8s client-config --dir /var/lib/frp-k8s --group web --name nas --port 80 --out - | ssh me@nas tar -x
`;

/** @throws UserError for what is neither a port nor NAME=PORT,… */
export function portsOption(text: string): { localPort: number; localPorts?: Record<string, number> } {
  const port = (of: string) => portOption('client-config', 'port', of);
  if (!text.includes('=')) return { localPort: port(text) };
  const named = text.split(',', mostPorts + 1).map((each): [string, number] => {
    const [name = '', of = ''] = each.split('=');
    if (!isPortName(name))
      throw new UserError(`client-config: --port ${each} must be NAME=PORT, with a name in spec.expose.ports of the service`);
    return [name, port(of)];
  });
  if (named.length > mostPorts || new Set(named.map(([name]) => name)).size < named.length)
    throw new UserError(`client-config: --port ${text.slice(0, 80)} must have each name once, and ${mostPorts} at most`);
  return { localPort: named[0]![1], localPorts: Object.fromEntries(named) };
}

export async function run(args: string[]): Promise<number> {
  const values = parseOptions('client-config', args, {
    dir: { type: 'string' },
    group: { type: 'string' },
    namespace: { type: 'string', short: 'n', default: 'default' },
    name: { type: 'string' },
    port: { type: 'string' },
    'role-port': { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    address: { type: 'string' },
    proxy: { type: 'string' },
    'proxy-auth': { type: 'string' },
    path: { type: 'string', default: '' },
    lifetime: { type: 'string', default: '8760h' },
    config: { type: 'string' },
    out: { type: 'string', short: 'o' },
  });
  const need = (option: 'dir' | 'group' | 'name' | 'port' | 'out'): string => {
    const value = values[option];
    if (value === undefined) throw new UserError(`client-config: --${option} is missing; see frp-k8s client-config --help`);
    return value;
  };
  const [directory, service, name, out] = [
    resolve(need('dir')),
    labelIn('group', need('group')),
    labelIn('name', need('name')),
    resolve(need('out')),
  ];
  const namespace = labelIn('namespace', values.namespace);
  const { localPort, localPorts } = portsOption(need('port'));
  const role = values['role-port'];
  const rolePort = role === undefined ? undefined : portOption('client-config', 'role-port', role);
  if (rolePort !== undefined && localPorts)
    throw new UserError('client-config: --role-port is for a service with readWrite, which has one port; give --port PORT');
  const lifetimeMs = durationOption('client-config', 'lifetime', values.lifetime);
  const proxy = proxyOption(values.proxy, values['proxy-auth']);
  const address = (values.address && bracketed(values.address)) ?? (await knownAddresses(directory))?.[0];
  if (address === undefined || !existsSync(join(directory, markerFile)))
    throw new UserError(`client-config: ${directory} is no gateway's directory yet: start frp-k8s gateway up --dir ${directory} first`);
  if (values.out !== '-' && existsSync(out))
    throw new UserError(`client-config: ${out} is there already; name another --out, or remove it`);
  const config = loadConfig(values.config, process.env);
  const home = await openHome(directory);
  const client = await issueClient(home, { namespace, name, lifetimeMs, audience: config.gateway.audience });
  const files = clientConfig(client, home.authority.bundlePem, {
    service,
    localIP: values.host,
    localPort,
    localPorts,
    rolePort,
    address,
    proxy,
    path: values.path,
    tuning: tuningOf({} as Parameters<typeof tuningOf>[0], undefined, { cpu: undefined, memory: undefined }),
  });
  const isArchive = values.out === '-';
  if (isArchive) process.stdout.write(tar(Object.fromEntries(Object.entries(files).map(([file, text]) => [`${name}/${file}`, text]))));
  else {
    mkdirSync(out, { recursive: true, mode: 0o700 });
    for (const [file, text] of Object.entries(files)) await replaceFile(join(out, file), text);
  }
  if (servesService(directory, `${namespace}/${service}`) === false)
    process.stderr.write(
      `warning: --group ${service}: the gateway serves no DistributedService ${namespace}/${service} yet, so ${name} gets no traffic until it does; ` +
        'see whether --group and --namespace are right, and whether its file is in the directory of gateway up --services\n',
    );
  process[isArchive ? 'stderr' : 'stdout'].write(
    `frpc of ${name} joins DistributedService ${namespace}/${service} until ${new Date(client.expires).toISOString()}\n` +
      `take the directory to ${name} and start there, in it: frpc -c frpc.json\n`,
  );
  return 0;
}

/** @returns URL with user and password in it */
function proxyOption(proxy: string | undefined, file: string | undefined): string | undefined {
  if (proxy === undefined && file !== undefined) throw new UserError('client-config: --proxy-auth needs --proxy');
  if (proxy === undefined) return undefined;
  // The text may have a password in it.
  if (!isProxy(proxy))
    throw new UserError(
      'client-config: --proxy must be http://HOST:PORT or socks5://HOST:PORT; user and password go into a file (--proxy-auth)',
    );
  if (file === undefined) return proxy;
  const [, user, password] = /^([^:\n]+):([^\n]+)\n?$/.exec(readFileSync(file, 'utf8')) ?? [];
  if (user === undefined || password === undefined)
    throw new UserError(`client-config: --proxy-auth ${file} must have one line, USER:PASSWORD`);
  return proxyWith(proxy, { user, password });
}

function labelIn(option: string, text: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw new UserError(`client-config: --${option} ${text} must be at most 63 lower-case letters, digits and -`);
}
