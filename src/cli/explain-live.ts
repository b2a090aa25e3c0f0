/** `explain` of what is there: in a cluster, or at a gateway of this machine. */
import { liveProbes } from '../diagnose/live-probes.ts';
import { takeSnapshot } from '../diagnose/take.ts';
import { withFindings } from '../explain/findings.ts';
import { bad, unknown, type Explanation } from '../explain/explanation.ts';
import { explainHost, hostIn } from '../explain/host.ts';
import { explainPod } from '../explain/pod.ts';
import { explainService } from '../explain/service.ts';
import { explainAtHome } from '../explain/home.ts';
import { explainWorkload } from '../explain/workload.ts';
import { worldOf, type World } from '../explain/world.ts';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../errors.ts';
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { kindsOf, type Wanted, type Word } from './explain-words.ts';

export interface LiveOptions {
  namespace?: string | undefined;
  config?: string | undefined;
  method: string;
  header: readonly string[];
  role: readonly string[];
  authenticated: boolean;
  dir?: string | undefined;
  installation?: string | undefined;
  kubeconfig?: string | undefined;
  context?: string | undefined;
}

/** @throws UserError where it is not there, or may not be read */
export async function explainInCluster(values: LiveOptions, { kind, name, namespace: written }: Wanted): Promise<Explanation> {
  if (written !== undefined && values.namespace !== undefined && written !== values.namespace)
    throw new UserError(`explain: ${kind} ${written}/${name}, and -n ${values.namespace}: say the namespace once`);
  const wanted = written ?? values.namespace;
  const question = kind === 'host' ? questionOf(values, name) : undefined;
  if (values.dir !== undefined) {
    if (kind !== 'service' && kind !== 'host')
      throw new UserError(`explain: a gateway of this machine (--dir) knows of services and hosts, not of a ${kind}`);
    return explainAtHome(values.dir, question ?? { service: `${wanted ?? 'default'}/${name}` });
  }
  const access = loadAccess(values);
  const client = new KubeClient(access);
  try {
    const world = await worldOf(
      client,
      values.installation,
      values.config === undefined ? undefined : loadConfig(values.config, process.env),
    );
    const namespace = wanted ?? access.namespace ?? 'default';
    const subject = kind === 'host' ? { kind, name } : { kind: kindsOf[kind], namespace, name };
    if (!world.isConfigKnown && !world.isConfigInvalid) return withoutConfig(world, subject);
    if (world.isConfigKnown && question) return await explainHost(world, question);
    const explained = world.isConfigKnown
      ? await explainObject(world, kind as Exclude<Word, 'host'>, namespace, name)
      : withoutConfig(world, subject);
    const snapshot = await takeSnapshot(client, { namespace, installation: world.installation });
    return await withFindings(explained, snapshot, liveProbes(access));
  } finally {
    client.close();
  }
}

function explainObject(world: World, kind: Exclude<Word, 'host'>, namespace: string, name: string): Promise<Explanation> {
  if (kind === 'pod') return explainPod(world, namespace, name);
  return kind === 'service' ? explainService(world, namespace, name) : explainWorkload(world, kindsOf[kind], namespace, name);
}

/** Whether a service goes through a gateway, and what a sidecar should be like, follows from it: by the defaults all of it would be wrong. */
function withoutConfig({ gaps, installation, isInstallationMissing }: World, subject: Explanation['subject']): Explanation {
  if (isInstallationMissing)
    return {
      subject,
      sections: [
        {
          title: 'Installation',
          lines: [
            ...gaps,
            bad(
              `frp-k8s is not installed in namespace ${installation}, so nothing is injected or observed; what a status says is what it was last`,
              'NamespaceMissing',
              'install it (docs/guide/install.md), or name its namespace with --installation',
            ),
          ],
        },
      ],
    };
  const remedy = unknown(
    'nothing can be explained without it: this takes rights to get and list deployments and configmaps in the namespace of the installation (--installation), or a copy of its configuration (--config FILE)',
  );
  return { subject, sections: [{ title: 'Configuration of the installation', lines: [...gaps, remedy] }] };
}

function questionOf({ method, header, role, authenticated }: LiveOptions, text: string) {
  const host = hostIn(text);
  if (!host)
    throw new UserError(`explain: host ${text}: say a name, with a path where it matters, such as shop.example.com/v1, or a port: :5432`);
  const roles = role.length > 0 || authenticated ? role : undefined;
  return { ...host, scheme: host.scheme ?? ('http' as const), method: method.toUpperCase(), headers: header, roles };
}
