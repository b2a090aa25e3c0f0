/** `frp-k8s join`: this cluster joins a gateway elsewhere. */
import { setTimeout as sleep } from 'node:timers/promises';
import { leaveGateway } from '../controller/link/leaving.ts';
import { UserError } from '../errors.ts';
import { loadAccess } from '../kube/access.ts';
import { base64 } from '../kube/authority-secret.ts';
import { KubeClient } from '../kube/client.ts';
import { ignoreNotFound } from '../kube/errors.ts';
import { fieldManager } from '../kube/managers.ts';
import { secrets, type Secret } from '../kube/types.ts';
import { LinkError } from '../link/protocol.ts';
import { parseToken } from '../link/token.ts';
import { annotation, joinProblemPrefix, joinSecretName, label, linkSecretName, manager } from '../model/names.ts';
import { durationOption, parseOptions } from './options.ts';

export const help = `frp-k8s join: let this cluster join a gateway elsewhere

usage: frp-k8s join TOKEN [--system NS] [--wait DURATION]
       frp-k8s join --leave HOST:PORT [--system NS]

TOKEN comes from "frp-k8s gateway token create" at the gateway, and is used once. It goes into Secret ${joinSecretName};
the controller joins with it, keeps what it is known by in Secret ${linkSecretName}, and deletes the token. The controller's
configuration has the gateway's addresses (gateway.addresses).

      --leave HOST:PORT the other way round: the cluster forgets the gateway at that address, one that is gone for good or has
                       removed the cluster. Take its addresses out of gateway.addresses as well
      --system NS      namespace of the installation (default: frp-system)
      --wait DURATION  how long to wait for the controller's word, default 60s; 0s: not at all

It uses KUBECONFIG, else ~/.kube/config.

examples:
  frp-k8s join frp-join-1.eyJhIjpbImd3Lm…
  frp-k8s join --leave gw-a.example.com:7000
`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(
    'join',
    args,
    { leave: { type: 'string' }, system: { type: 'string', default: 'frp-system' }, wait: { type: 'string', default: '60s' } },
    'positionals',
  );
  const [token, ...rest] = positionals;
  const { leave, system } = values;
  if ((token === undefined) === (leave === undefined) || rest.length > 0)
    throw new UserError('join: say one token, or --leave HOST:PORT; see frp-k8s join --help');
  const waitMs = durationOption('join', 'wait', values.wait);
  const addresses = token === undefined ? [] : readToken(token).addresses;
  const client = new KubeClient(loadAccess());
  try {
    if (leave !== undefined) return await leaves(client, system, leave);
    await putToken(client, system, token!.trim());
    process.stdout.write(`Secret ${system}/${joinSecretName} has the token for the gateway at ${addresses.join(', ')}\n`);
    return waitMs === 0 ? 0 : await watchJoining(client, system, waitMs);
  } finally {
    client.close();
  }
}

async function leaves(client: KubeClient, namespace: string, address: string): Promise<number> {
  const { cluster, addresses } = await leaveGateway(client, namespace, address);
  process.stdout.write(
    `left the gateway at ${addresses.join(', ')}, which knows this cluster as ${cluster}
where it still runs, it serves what it knows until it is told there: frp-k8s gateway clusters remove ${cluster}
sidecars dial it until it is out of gateway.addresses and their Pods have restarted
`,
  );
  return 0;
}

function readToken(token: string) {
  try {
    return parseToken(token);
  } catch (error) {
    throw error instanceof LinkError ? new UserError(`join: ${error.message}`) : error;
  }
}

/** In place of one that is there: that one has failed, or somebody has thought better of it. */
async function putToken(client: KubeClient, namespace: string, token: string): Promise<void> {
  await client.delete(secrets, namespace, joinSecretName).catch(ignoreNotFound);
  const metadata = { name: joinSecretName, namespace, labels: { [label.managedBy]: manager } };
  await client.create<Secret>(secrets, { metadata, type: 'Opaque', data: { token: base64(token) } }, fieldManager.controller);
}

async function watchJoining(client: KubeClient, namespace: string, waitMs: number): Promise<number> {
  let problem = 'the controller has not looked at it yet: does it run (kubectl -n frp-system get deployment frp-controller)?';
  for (const until = Date.now() + waitMs; Date.now() < until; await sleep(1000)) {
    const secret = await client.get<Secret>(secrets, namespace, joinSecretName).catch(ignoreNotFound);
    if (!secret) {
      process.stdout.write(`joined; Secret ${namespace}/${linkSecretName} has what the cluster is known by\n`);
      return 0;
    }
    const said = secret.metadata.annotations?.[annotation.joinProblem];
    const prefix = Object.values(joinProblemPrefix).find((each) => said?.startsWith(each));
    if (prefix !== undefined) throw new UserError(`join: ${said!.slice(prefix.length)}`);
    problem = said ?? problem;
  }
  throw new UserError(`join: not joined so far, and the controller goes on trying: ${problem}`);
}
