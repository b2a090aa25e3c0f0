/** `frp-k8s explain`: why a Pod, a workload, a service or a request is as it is. */
import { parseOptions } from './options.ts';
import { UserError } from '../errors.ts';
import { loadConfig } from '../config/load.ts';
import { decisionLines, decisionOf } from '../explain/decision-lines.ts';
import { explanationText, exitCodeOf, type Explanation, type Line } from '../explain/explanation.ts';
import { ManifestServices } from '../explain/manifest.ts';
import { asReviewed } from '../manifests/json.ts';
import { namespaceOf, readManifests, type ManifestObject } from '../manifests/read.ts';
import { kind as serviceKind } from '../model/names.ts';
import type { LiveOptions } from './explain-live.ts';
import { kindsOf, wantedIn, type Wanted } from './explain-words.ts';
import { messageOf, metadataOf, misplacedGroups, noObject, passedOver, podsOf, where, workset } from './workset.ts';

export const help = `frp-k8s explain: why a Pod, a workload, a service or a request is as it is

usage: frp-k8s explain pod|deployment|statefulset|daemonset|service NAME [-n NAMESPACE] [options]
       frp-k8s explain host HOST[/PATH] [--method M] [--header NAME:VALUE]... [--role ROLE]... [options]
       frp-k8s explain -f FILE|DIR|- [KIND NAME] [--services PATH]... [-n NAMESPACE] [--config FILE]

Of a Pod: what the injector decided and why, what the sidecar says, at which replica of the gateway it is registered, HAProxy's
verdict with the last check's answer, the routes that lead there, who may use it, the last refusals, and what check finds of it and of
the installation. Of a host: the way of a
request, from the port of users to the backend, or to where it ends. With -f: what the webhooks would decide about
manifests, before anything is applied, without a cluster.

  -n, --namespace NS    default: that of the context, or default
  -o, --output FORMAT   text (default) or json
  -f, --filename PATH   manifest, directory or - for standard input; may be repeated
      --services PATH   with -f: services that are there already; may be repeated
      --config FILE     configuration of the installation; default: the one in the cluster, with -f the defaults
      --method METHOD   of the request, default GET
      --header N:V      of the request; may be repeated
      --role ROLE       of a user who has a credential; may be repeated. --authenticated: one without a role
      --dir DIR         asks the gateway of frp-k8s gateway up in DIR; for service and host, without a cluster
      --installation NS namespace of the installation, default frp-system
      --kubeconfig FILE default: KUBECONFIG, else ~/.kube/config
      --context NAME    default: the current one

It takes rights to get and list what it explains, and deployments and configmaps in frp-system. For what the gateway knows: list pods, and create and get pods/portforward, in
frp-gateway; get Secret frp-server-api in frp-system. What could not be read is said, with the right that is missing.

Exit code 0 where all is well, 1 where something is wrong, 2 where something could not be found out.

examples:
  frp-k8s explain pod web-7d4b9c -n shop
  frp-k8s explain host shop.example.com/v1 --header 'x-beta: yes'
  frp-k8s explain -f deployment.yaml --services service.yaml
`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(
    'explain',
    args,
    {
      namespace: { type: 'string', short: 'n' },
      output: { type: 'string', short: 'o', default: 'text' },
      filename: { type: 'string', short: 'f', multiple: true, default: [] },
      services: { type: 'string', multiple: true, default: [] },
      config: { type: 'string' },
      method: { type: 'string', default: 'GET' },
      header: { type: 'string', multiple: true, default: [] },
      role: { type: 'string', multiple: true, default: [] },
      authenticated: { type: 'boolean', default: false },
      dir: { type: 'string' },
      installation: { type: 'string' },
      kubeconfig: { type: 'string' },
      context: { type: 'string' },
    },
    'positionals',
  );
  if (!['text', 'json'].includes(values.output)) throw new UserError(`explain: -o ${values.output}: must be text or json`);
  const wanted = wantedIn(positionals, values.filename.length > 0);
  const explanations = values.filename.length > 0 ? explainFiles(values, wanted) : [await explainLive(values, wanted!)];
  process.stdout.write(
    values.output === 'json'
      ? `${JSON.stringify(values.filename.length > 0 ? explanations : explanations[0], null, 2)}\n`
      : explanations.map(explanationText).join('\n'),
  );
  return exitCodeOf(explanations);
}

interface Values extends LiveOptions {
  output: string;
  filename: string[];
  services: string[];
}

async function explainLive(values: Values, wanted: Wanted): Promise<Explanation> {
  const { explainInCluster } = await import('./explain-live.ts');
  return explainInCluster(values, wanted);
}

/** @throws UserError where nothing of the input is meant */
function explainFiles({ filename, services, config: file, namespace = 'default' }: Values, wanted: Wanted | undefined): Explanation[] {
  const config = loadConfig(file, process.env);
  const documents = readManifests(filename);
  const others = readManifests(services);
  const bad = [...documents, ...others].flatMap(noObject);
  if (bad.length > 0) throw new UserError(`explain: ${bad.join('\nfrp-k8s: explain: ')}`);
  const input = workset(documents, others, config, namespace);
  const known = new ManifestServices(config, namespace);
  const explained = new Map<ManifestObject, Line[]>();
  for (const object of input.objects) if (object.value.kind === serviceKind) explained.set(object, known.linesOf(asReviewed(object.value)));
  for (const found of podsOf(input.objects, config.workloadKinds)) {
    const decision = decisionOf(found.pod, input.contextOf(found.object));
    const problems = decision.problems?.map((problem) => ({ ...problem, message: messageOf(found, problem) }));
    explained.set(found.object, decisionLines({ ...decision, ...(problems && { problems }) }));
  }
  const notes = [...misplacedGroups(input.objects, config.workloadKinds), ...passedOver(input.objects, config.workloadKinds)];
  const chosen = [...explained].filter(
    ([{ value }]) => !wanted || (kindsOf[wanted.kind] === value.kind && metadataOf(value).name === wanted.name),
  );
  if (chosen.length === 0)
    throw new UserError(
      `explain: ${filename.join(', ')}: there is no ${wanted ? `${kindsOf[wanted.kind]} ${wanted.name}` : 'Pod, workload or DistributedService'} in it`,
    );
  return chosen.map(([object, lines]): Explanation => {
    const { name = '' } = metadataOf(object.value);
    const own = namespaceOf(object.value, namespace);
    const about = notes.filter((note) => note.startsWith(`${where(object)}: `)).map((note) => note.slice(where(object).length + 2));
    const warnings = about.map((text): Line => ({ level: 'warning', text }));
    return {
      subject: { kind: String(object.value.kind), namespace: own, name },
      sections: [{ title: `Before it is applied (${object.document.file})`, lines: [...lines, ...warnings] }],
    };
  });
}
