/** `frp-k8s gateway token create`: what a cluster joins a gateway with. */
import { resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { describeGrant, parseGrant } from '../gateway/links/grant.ts';
import { createToken } from '../gateway/links/joining.ts';
import { FileLinkStore } from '../gateway/links/link-store.ts';
import { openHome } from '../gateway/up/home.ts';
import { knownAddresses } from '../gateway/up/known-addresses.ts';
import { linksDirectory } from '../gateway/up/layout.ts';
import { durationOption, parseOptions } from './options.ts';

export const help = `frp-k8s gateway token create: let a cluster join a gateway outside any cluster

usage: frp-k8s gateway token create --dir DIR --cluster NAME [--namespaces a,b] [--hosts LIST] [--ports LIST] [--ttl 15m]

Prints a token on standard output. It is used once, with "frp-k8s join TOKEN" at the cluster, and carries the gateway's
addresses, a pin of its authority, and a secret of which the gateway keeps a digest alone. The gateway need not run.

      --dir DIR          directory of the gateway (frp-k8s gateway up)
      --cluster NAME     what the gateway calls the cluster, such as home
      --namespaces LIST  namespaces that the cluster may serve, with commas; without: any
      --hosts LIST       hosts that it may serve, such as '*.home.example.com,api.example.com'; without: any
      --ports LIST       ports that it may serve, such as 5432,6000-6100; without: any
      --ttl DURATION     how long the token may be used, default 15m
      --address HOST:PORT  where the cluster finds the gateway, instead of the addresses that it has; may be repeated

example:
  frp-k8s gateway token create --dir /var/lib/frp-k8s --cluster home --hosts '*.home.example.com'
`;

export async function run(args: string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (verb !== 'create') throw new UserError('gateway token: the one thing to do is "create"; see frp-k8s gateway token --help');
  const values = parseOptions('gateway token create', rest, {
    dir: { type: 'string' },
    cluster: { type: 'string' },
    namespaces: { type: 'string' },
    hosts: { type: 'string' },
    ports: { type: 'string' },
    ttl: { type: 'string', default: '15m' },
    address: { type: 'string', multiple: true, default: [] },
  });
  const { dir, cluster } = values;
  if (dir === undefined) throw new UserError('gateway token create: --dir is missing: the directory of the gateway');
  if (cluster === undefined || !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(cluster))
    throw new UserError('gateway token create: --cluster must be a name of lower-case letters, digits and hyphens, such as home');
  const directory = resolve(dir);
  const addresses = values.address.length > 0 ? values.address : await addressesIn(directory);
  const grant = parseGrant(values);
  const store = new FileLinkStore(linksDirectory(directory));
  const { authority } = await openHome(directory);
  const ttlMs = durationOption('gateway token create', 'ttl', values.ttl);
  const token = await createToken({ store, authority, addresses }, { cluster, grant, ttlMs });
  process.stderr.write(`token for cluster ${cluster} (${describeGrant(grant)}), to be used once within ${values.ttl}:\n`);
  process.stdout.write(`${token}\n`);
  return 0;
}

async function addressesIn(directory: string): Promise<string[]> {
  const addresses = await knownAddresses(directory);
  if (addresses) return addresses;
  throw new UserError(
    `gateway token create: no gateway has been started in ${directory}: do it once (frp-k8s gateway up --dir ${directory} --address NAME), or name its address with --address`,
  );
}
