/** `frp-k8s support-bundle`: an archive of what a maintainer needs, without secrets. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { contentsOf, type Bundle } from '../bundle/bundle.ts';
import { bundleOfCluster } from '../bundle/from-cluster.ts';
import { bundleOfDirectory } from '../bundle/from-directory.ts';
import { liveProbes } from '../diagnose/live-probes.ts';
import { takeSnapshot } from '../diagnose/take.ts';
import { UserError } from '../errors.ts';
import { reachCluster, reachDirectory } from '../explain/reach.ts';
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { parseOptions } from './options.ts';
import { tar } from './tar.ts';

export const help = `frp-k8s support-bundle: an archive of what a maintainer needs, without secrets

usage: frp-k8s support-bundle [-o FILE.tar.gz] [-n NS] [options]
       frp-k8s support-bundle --dir DIR [-o FILE.tar.gz]

Versions, configuration, objects of the installation and of its services, Warnings, the reports of check and status, the last
lines of the logs of the installation and of sidecars, metrics, and the configuration of HAProxy. It reads alone, with your rights;
what they do not allow is left out, and said in the archive and on standard error.

Left out: data of Secrets, values of environment variables, headers and annotations of others, passwords, tokens and keys, query
strings, addresses and names of users. Names of namespaces, services, Pods and hosts are in it. What is in it is printed: look
at it before you send it.

  -o, --output FILE      default: frp-k8s-support-TIME.tar.gz in this directory; readable for you alone
  -n, --namespace NS     services and Pods of this namespace alone (default: all)
      --dir DIR          of the gateway of frp-k8s gateway up in DIR, without a cluster
      --system NS        namespace of the installation (default: frp-system)
      --kubeconfig FILE  default: KUBECONFIG, else ~/.kube/config
      --context NAME     default: the current one

It takes the rights of frp-k8s check and status; for logs get pods/log; for metrics get pods/proxy.

exit code: 0 all is in it; 2 something is missing

examples:
  frp-k8s support-bundle
  frp-k8s support-bundle -n shop -o shop.tar.gz
  frp-k8s support-bundle --dir /var/lib/frp-k8s
`;

const manifest = 'CONTENTS.txt';

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('support-bundle', args, {
    output: { type: 'string', short: 'o' },
    namespace: { type: 'string', short: 'n' },
    dir: { type: 'string' },
    system: { type: 'string' },
    kubeconfig: { type: 'string' },
    context: { type: 'string' },
  });
  if (options.dir !== undefined && options.namespace !== undefined)
    throw new UserError('support-bundle: -n is of a cluster, and --dir of a gateway without one; give one of the two');
  const file = resolve(options.output ?? `frp-k8s-support-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.tar.gz`);
  const say = (what: string) => void process.stderr.write(`reading ${what}\n`);
  const bundle =
    options.dir === undefined
      ? await ofCluster(options, say)
      : await bundleOfDirectory(resolve(options.dir), reachDirectory(options.dir), say);
  const contents = contentsOf(bundle);
  const files = Object.fromEntries(bundle.files.map(({ path, text }) => [path, text]));
  await writeFile(file, gzipSync(tar({ [manifest]: contents, ...files })), { mode: 0o600 }).catch((error: Error) => {
    throw new UserError(`support-bundle: ${file} cannot be written: ${error.message}`);
  });
  process.stdout.write(`${contents}\nwritten to ${file}; look at it before you send it: tar -xzf ${file}\n`);
  for (const text of bundle.missing) process.stderr.write(`missing: ${text}\n`);
  return bundle.missing.length > 0 ? 2 : 0;
}

interface ClusterOptions {
  namespace?: string | undefined;
  system?: string | undefined;
  kubeconfig?: string | undefined;
  context?: string | undefined;
}

async function ofCluster({ namespace, system, kubeconfig, context }: ClusterOptions, say: (what: string) => void): Promise<Bundle> {
  const access = loadAccess({ kubeconfig, context });
  const client = new KubeClient(access);
  try {
    const snapshot = await takeSnapshot(client, { namespace, installation: system, onProgress: say });
    const reach = await reachCluster(client, snapshot.config);
    return await bundleOfCluster({ client, snapshot, probes: liveProbes(access), reach, onProgress: say });
  } finally {
    client.close();
  }
}
