/** `frp-k8s validate`: what kubectl, the API server and the webhooks would say, offline. */
import { decidePod } from '../../webhooks/pods/decide.ts';
import type { Config } from '../config/schema.ts';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../errors.ts';
import { asReviewed } from '../manifests/json.ts';
import { namespaceOf, objectsOf, readManifests, type ManifestObject } from '../manifests/read.ts';
import { Claims } from '../model/claims.ts';
import { defaulted } from '../model/defaults.ts';
import { describeFinding } from '../model/findings.ts';
import { exposuresOf } from '../model/exposure.ts';
import { usesGateway } from '../model/gateway.ts';
import { group, kind as serviceKind } from '../model/names.ts';
import { unservable } from '../model/plainmode.ts';
import { ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { validateOffline } from '../../webhooks/distributedservices/offline.ts';
import { problemsOf, type Problem } from '../../webhooks/review/types.ts';
import { parseOptions } from './options.ts';
import { countOf } from './report.ts';
import { messageOf, misplacedGroups, noObject, passedOver, podsOf, where, workset, type FoundPod, type Workset } from './workset.ts';

export const help = `frp-k8s validate: check DistributedServices, and the frp.io annotations of Pods and workloads, offline

usage: frp-k8s validate -f FILE|DIR|-... [--services FILE|DIR]... [-n NAMESPACE] [--config FILE]

One line a finding, all layers at once, in the API server's own words, then one for each good object, and a summary:
  FILE: kind/name: field.path: message
  warning: FILE: kind/name: field.path: message
  good: FILE: kind/name: what it would be

  -f, --filename PATH   manifest, directory or - for standard input; may be repeated, and more may follow
      --services PATH   services that are there already: for conflicts of hosts and ports, and for Pods; may be repeated
  -n, --namespace NS    namespace of objects that name none (default: default)
      --config FILE     configuration of the installation (base domain, grants of hosts, reserved ports)

Exit code 0 where there are warnings at most, else 1.

examples:
  frp-k8s validate -f manifests/
  kustomize build . | frp-k8s validate -f -
`;

interface Report {
  errors: string[];
  warnings: string[];
  /** what is good about the object; undefined for one with errors, and for one that asks for nothing */
  good?: string;
  /** the API server takes it, and nothing serves it: the warnings say why */
  isUnserved?: boolean;
}

export async function run(args: string[]): Promise<number> {
  const options = parseOptions(
    'validate',
    args,
    {
      filename: { type: 'string', short: 'f', multiple: true, default: [] },
      services: { type: 'string', multiple: true, default: [] },
      namespace: { type: 'string', short: 'n', default: 'default' },
      config: { type: 'string' },
    },
    'positionals',
  );
  const files = [...options.values.filename, ...options.positionals];
  if (files.length === 0) throw new UserError('validate: -f FILE is missing (- reads standard input); see frp-k8s validate --help');
  const config = loadConfig(options.values.config, process.env);
  const documents = readManifests(files);
  const others = readManifests(options.values.services);
  const objects = documents.flatMap(objectsOf);
  const input = workset(documents, others, config, options.values.namespace);

  const reports = [
    ...checkServices(objects, others.flatMap(objectsOf), config, options.values.namespace),
    ...podsOf(objects, config.workloadKinds).map((found) => checkPod(found, input)),
  ];
  const errors = [...[...documents, ...others].flatMap(noObject), ...reports.flatMap((report) => report.errors)];
  const warnings = [
    ...reports.flatMap((report) => report.warnings),
    ...misplacedGroups(objects, config.workloadKinds),
    ...passedOver(objects, config.workloadKinds),
  ];
  const good = reports.flatMap((report) => report.good ?? []);
  const lines = [...errors, ...warnings.map((line) => `warning: ${line}`), ...good.map((line) => `good: ${line}`)];
  process.stdout.write([...lines, summary(objects.length, reports)].map((line) => `${line}\n`).join(''));
  return errors.length > 0 ? 1 : 0;
}

function summary(objects: number, reports: readonly Report[]): string {
  const bad = reports.filter(({ errors }) => errors.length > 0).length;
  const good = reports.filter((report) => report.good !== undefined).length;
  const unserved = reports.filter(({ isUnserved }) => isUnserved).length;
  const parts = [
    `${good} good`,
    ...(unserved > 0 ? [`${unserved} would be stored and not served (the warnings say why)`] : []),
    ...(bad > 0 ? [`${bad} with errors`] : []),
    ...(objects > good + bad + unserved ? [`${objects - good - bad - unserved} not for frp-k8s to check`] : []),
  ];
  return `${countOf(objects, 'object')}: ${parts.join(', ')}`;
}

function checkPod(found: FoundPod, input: Workset): Report {
  const { object, pod, pointer } = found;
  const { disabled, ...context } = input.contextOf(object);
  if (disabled) return { errors: [], warnings: [] };
  const decision = decidePod(pod, context);
  const path = pointer.slice(object.pointer.length + 1).replaceAll('/', '.');
  const at = `${path === '' ? '' : `${path}.`}metadata.annotations`;
  const line = (message: string) => `${where(object)}: ${at}: ${message}`;
  if (decision.outcome === 'denied') {
    const [unknown, others] = [true, false].map((of) => problemsOf(decision).filter(({ reason }) => (reason === 'UnknownGroup') === of));
    return {
      errors: others!.map((problem) =>
        problem.reason === 'InvalidPod' ? `${where(object)}: ${messageOf(found, problem)}` : line(problem.message),
      ),
      warnings: [...unknown!.map((problem) => line(unknownGroup(found, input, problem))), ...decision.warnings.map(line)],
    };
  }
  const good = decision.outcome === 'skipped' ? undefined : `${where(object)}: ${decision.message.replace(/^injected /, 'would get ')}`;
  return { errors: [], warnings: decision.warnings.map(line), ...(good !== undefined && { good }) };
}

/** The service may be in the cluster already, so only here is that no error; or it is in the input, with errors of its own. */
const unknownGroup = (found: FoundPod, { broken }: Workset, problem: Problem): string =>
  problem.group !== undefined && broken.has(problem.group)
    ? `DistributedService "${problem.group}" of the input has errors; this Pod can be checked once they are mended`
    : `${messageOf(found, problem)} to check this Pod`;

/** In the order of the input, as applying it would: of two services with one host, the second is told. */
function checkServices(objects: readonly ManifestObject[], others: readonly ManifestObject[], config: Config, namespace: string): Report[] {
  const store = new ServiceStore();
  const claims = new Claims(store, config);
  const add = ({ value }: ManifestObject) => {
    const service = defaulted(value) as unknown as DistributedService;
    store.set({ ...service, metadata: { ...service.metadata, namespace: namespaceOf(value, namespace) } });
  };
  others.filter(isService).forEach(add);
  return objects.filter(isService).map((read) => {
    const object = { ...read, value: asReviewed(read.value) };
    const { findings, warnings } = validateOffline(object.value, { config, claims, namespace });
    if (findings.length === 0) add(object);
    const line = (text: string) => `${where(object)}: ${text}`;
    const found = { errors: findings.map((finding) => line(describeFinding(finding))), warnings: warnings.map(line) };
    if (findings.length > 0) return found;
    const { spec } = defaulted(object.value) as unknown as DistributedService;
    return unservable(spec, config) ? { ...found, isUnserved: true } : { ...found, good: line(describeService(spec, config)) };
  });
}

const isService = ({ value }: ManifestObject): boolean => value.kind === serviceKind && String(value.apiVersion).startsWith(`${group}/`);

/** What a valid service is: `http at web.example.com/, through the gateway`. */
function describeService(spec: DistributedService['spec'], config: Config): string {
  const places = exposuresOf(spec, config.baseDomain).map((exposure) =>
    exposure.kind === 'http' ? `${exposure.host}${exposure.path}` : exposure.kind === 'sni' ? exposure.host : `port ${exposure.port}`,
  );
  const by = usesGateway(spec, config) ? 'the gateway' : 'a plain frp server';
  return `${spec.serviceType}${places.length > 0 ? ` at ${places.join(', ')}` : ''}, by ${by}`;
}
