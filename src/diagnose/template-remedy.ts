/** What lets the webhooks take a Pod template that they refuse: tried on their own decision before it is told. */
import { closest } from '../closest.ts';
import { annotation } from '../model/names.ts';
import { decidePod, type PodContext } from '../../webhooks/pods/decide.ts';
import { problemsOf, type Problem } from '../../webhooks/review/types.ts';
import { restartOf } from './held-back.ts';
import { annotate, groupOf, templateOf } from './pod-contexts.ts';
import { servingRemedy } from './service-remedy.ts';
import type { Workload } from './shapes.ts';

type Annotations = Readonly<Record<string, string | null>>;

/** @returns a command that can be run as printed; where none is known to mend it, the one that opens an editor */
export function templateRemedy(workload: Workload, problem: Problem, context: PodContext): string {
  const change = changes(workload, problem, context).find((each) => !isStillSo(workload, problem, each, context));
  if (change) return annotate(workload, change);
  const { namespace, name } = workload.metadata;
  const service = groupsOf(workload).flatMap((group) => context.services.get(namespace ?? '', group) ?? []);
  const serving = service.flatMap((each) => servingRemedy(each, problem.reason, context.config) ?? [])[0];
  if (serving !== undefined) return `${serving} && ${restartOf(workload)}`;
  return `kubectl -n ${namespace} edit ${workload.kind.toLowerCase()} ${name}`;
}

const groupsOf = (workload: Workload): string[] =>
  (groupOf(templateOf(workload).metadata?.annotations) ?? '').split(',').map((each) => each.trim());

/** In the order in which they are to be tried: what was probably meant, and then without it. */
function changes(workload: Workload, { reason, message, group }: Problem, { services }: PodContext): Annotations[] {
  const others = groupsOf(workload).filter((each) => each !== group);
  if (reason === 'UnknownGroup') {
    const near = closest(group ?? '', services.names(workload.metadata.namespace ?? ''));
    const meant = near === undefined ? [] : [groupsOf(workload).map((each) => (each === group ? near : each))];
    return [...meant, others].map((groups) => ({ [annotation.group]: groups.length === 0 ? null : groups.join(',') }));
  }
  if (reason === 'MissingPort') return portsOf(workload).map((port) => ({ [annotation.port]: port }));
  if (reason !== 'InvalidAnnotation') return [];
  const [, key] = /^annotation (frp\.io\/[A-Za-z0-9._-]{1,253}):/.exec(message) ?? [];
  if (key === undefined) return [];
  const ports = key === annotation.port || key.startsWith(annotation.portOf) ? portsOf(workload) : [];
  return [...ports, null].map((value) => ({ [key]: value }));
}

/** As the containers declare them, by name where they have one: first those that the kubelet asks whether the app is ready. */
const portsOf = (workload: Workload): string[] =>
  (templateOf(workload).spec?.containers ?? [])
    .flatMap(({ ports = [], readinessProbe }) => {
      const asked = readinessProbe?.httpGet?.port ?? readinessProbe?.tcpSocket?.port;
      return ports.map(({ name, containerPort }) => ({
        port: name ?? String(containerPort),
        isAsked: asked !== undefined && (asked === name || asked === containerPort),
      }));
    })
    .sort((one, other) => Number(other.isAsked) - Number(one.isAsked))
    .map(({ port }) => port);

function isStillSo(workload: Workload, { message }: Problem, change: Annotations, context: PodContext): boolean {
  const template = templateOf(workload);
  const annotations = Object.entries({ ...template.metadata?.annotations, ...change }).filter(([, value]) => value !== null);
  const changed = { ...template, metadata: { ...template.metadata, annotations: Object.fromEntries(annotations) } };
  return problemsOf(decidePod(changed, context)).some((each) => each.message === message);
}
