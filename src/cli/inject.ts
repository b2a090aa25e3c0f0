/** `frp-k8s inject`: the webhook's decision about every Pod and Pod template of a manifest, offline. */
import { loadConfig } from '../config/load.ts';
import { problemsOf, type Decision } from '../../webhooks/review/types.ts';
import { decisionOf } from '../explain/decision-lines.ts';
import { readManifests } from '../manifests/read.ts';
import { UserError } from '../errors.ts';
import { parseOptions } from './options.ts';
import { formats, output, type Format, type Rewrite } from './rewrite.ts';
import { Report } from './report.ts';
import { messageOf, misplacedGroups, noObject, passedOver, podsOf, where, workset } from './workset.ts';

export const help = `frp-k8s inject: add frpc sidecars to manifests, as the webhook does it on admission

usage: frp-k8s inject -f FILE|- [--services FILE|DIR]... [-n NAMESPACE] [-o yaml|json|patch] [--config FILE]

Every Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job and CronJob (also in a List)
whose Pod template has the annotation frp.io/group gets its sidecars, and so do further kinds that workloadKinds of
the configuration lists; everything else passes through unchanged. DistributedServices come from --services and from
the input itself. A Namespace in the input with the label frp.io/injection counts too.

  -f, --filename FILE   manifest, directory or - for standard input; may be repeated
      --services PATH   file or directory with DistributedServices; may be repeated
  -n, --namespace NS    namespace of objects that name none (default: default)
  -o, --output FORMAT   yaml (default), json, or patch: the RFC 6902 patch alone
      --config FILE     configuration of the installation (frp server, base domain, sidecar image)

What was injected, skipped and passed over, and why, is on stderr. Exit code 0; 1 with a message on stderr, and nothing on stdout, when a Pod is refused or the input is bad.

examples:
  frp-k8s inject -f deployment.yaml --services service.yaml | kubectl apply -f -
  kustomize build . | frp-k8s inject -f - --services services/
  frp-k8s inject -f deployment.yaml --services service.yaml -o patch | jq .
`;

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('inject', args, {
    filename: { type: 'string', short: 'f', multiple: true },
    services: { type: 'string', multiple: true, default: [] },
    namespace: { type: 'string', short: 'n', default: 'default' },
    output: { type: 'string', short: 'o', default: 'yaml' },
    config: { type: 'string' },
  });
  if (!options.filename?.length) throw new UserError('inject: -f FILE is missing (- reads standard input); see frp-k8s inject --help');
  if (!(formats as readonly string[]).includes(options.output))
    throw new UserError(`inject: -o ${options.output}: must be one of: ${formats.join(', ')}`);
  const config = loadConfig(options.config, process.env);
  const documents = readManifests(options.filename);
  const others = readManifests(options.services);
  const input = workset(documents, others, config, options.namespace);

  const bad = [...documents, ...others].flatMap(noObject);
  if (bad.length > 0) throw new UserError(problemText(bad));
  if (input.problems.length > 0) throw new UserError(problemText(input.problems));
  const errors: string[] = [];
  const rewrites: Rewrite[] = [];
  const report = new Report();
  for (const found of podsOf(input.objects, config.workloadKinds)) {
    const { object, pod, pointer } = found;
    const decision = decisionOf(pod, input.contextOf(object));
    for (const warning of [...decision.warnings, ...offlineWarnings(decision)]) report.add('warning', `${where(object)}: ${warning}`);
    if (decision.outcome === 'denied')
      errors.push(...problemsOf(decision).map((problem) => `${where(object)}: ${messageOf(found, problem)}`));
    else report.add(decision.outcome, `${where(object)}: ${decision.message.replace(/^injected /, '')}`);
    if (decision.patch) rewrites.push({ object, pointer, patch: decision.patch });
  }
  for (const text of misplacedGroups(input.objects, config.workloadKinds)) report.add('warning', text);
  for (const text of passedOver(input.objects, config.workloadKinds)) report.add('passed over', text);
  if (errors.length > 0) throw new UserError(problemText(errors));
  process.stdout.write(output(documents, rewrites, options.output as Format));
  process.stderr.write(report.text(input.objects.length));
  return 0;
}

/** In the cluster the API server has added the service account's Secrets before the webhook looks. */
const offlineWarnings = ({ patch = [] }: Decision): string[] =>
  patch.some(({ op, path }) => op === 'add' && path === '/spec/imagePullSecrets')
    ? ["the Pod names no imagePullSecrets, and with those of its sidecar it no longer gets its service account's; name them on the Pod too"]
    : [];

const problemText = (problems: readonly string[]) => `inject: ${problems.join('\nfrp-k8s: inject: ')}`;
