/** `frp-k8s gateway token create`: what a cluster joins a gateway with. */
import { UserError } from '../errors.ts';
import { describeGrant, parseGrant } from '../gateway/links/grant.ts';
import { createToken } from '../gateway/links/joining.ts';
import { openPlace, placeHelp, placeOptions } from './gateway-place.ts';
import { durationOption, parseOptions } from './options.ts';

export const help = `frp-k8s gateway token create: let a cluster join a gateway

usage: frp-k8s gateway token create [--dir DIR | -n NS] --cluster NAME [--namespaces a,b] [--hosts LIST] [--ports LIST] [--ttl 15m]

Prints a token on standard output. It is used once, with "frp-k8s join TOKEN" at the cluster, and carries the gateway's
addresses, a pin of its authority, and a secret of which the gateway keeps a digest alone. The gateway need not run.

      --cluster NAME       what the gateway calls the cluster, such as home
      --namespaces LIST    namespaces that the cluster may serve, with commas; without: any
      --hosts LIST         hosts that it may serve, such as '*.home.example.com,api.example.com'; without: any
      --ports LIST         ports that it may serve, such as 5432,6000-6100; without: any
      --ttl DURATION       how long the token may be used, default 15m
      --address HOST:PORT  where the cluster finds the gateway, instead of the addresses that it has; may be repeated

${placeHelp}
examples:
  frp-k8s gateway token create --dir /var/lib/frp-k8s --cluster home --hosts '*.home.example.com'
  frp-k8s gateway token create --context headquarters --cluster branch --namespaces shop
`;

export async function run(args: string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (verb !== 'create') throw new UserError('gateway token: the one thing to do is "create"; see frp-k8s gateway token --help');
  const values = parseOptions('gateway token create', rest, {
    ...placeOptions,
    cluster: { type: 'string' },
    namespaces: { type: 'string' },
    hosts: { type: 'string' },
    ports: { type: 'string' },
    ttl: { type: 'string', default: '15m' },
    address: { type: 'string', multiple: true, default: [] },
  });
  const { cluster, dir, kubeconfig, context, namespace } = values;
  if (cluster === undefined || !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(cluster))
    throw new UserError('gateway token create: --cluster must be a name of lower-case letters, digits and hyphens, such as home');
  const grant = parseGrant(values);
  const ttlMs = durationOption('gateway token create', 'ttl', values.ttl);
  const place = await openPlace('gateway token create', { dir, kubeconfig, context, namespace });
  try {
    const addresses = values.address.length > 0 ? values.address : await place.addresses();
    const token = await createToken({ store: place.store, authority: await place.authority(), addresses }, { cluster, grant, ttlMs });
    process.stderr.write(`token for cluster ${cluster} (${describeGrant(grant)}), to be used once within ${values.ttl}:\n`);
    process.stdout.write(`${token}\n`);
    return 0;
  } finally {
    place.close();
  }
}
