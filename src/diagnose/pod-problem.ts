/** What keeps a Pod from running, in the words of kubelet and scheduler. */
import type { CheckReason } from '../model/reasons/checks.ts';
import type { Said } from './finding.ts';
import { named, wrong } from './say.ts';
import type { ContainerStatus, Pod } from './shapes.ts';

/** Reasons of a waiting container (kubelet images/types.go, container/sync_result.go, kuberuntime). */
const waiting: Readonly<Record<string, CheckReason>> = {
  ErrImagePull: 'ImageNotPulled',
  ImagePullBackOff: 'ImageNotPulled',
  InvalidImageName: 'ImageNotPulled',
  ErrImageNeverPull: 'ImageNotPulled',
  ImageInspectError: 'ImageNotPulled',
  RegistryUnavailable: 'ImageNotPulled',
  CrashLoopBackOff: 'ContainerCrashing',
  CreateContainerConfigError: 'ContainerNotCreated',
  CreateContainerError: 'ContainerNotCreated',
  RunContainerError: 'ContainerNotCreated',
};

/** The first thing that keeps the Pod from running; undefined where nothing is known that would not pass by itself. */
export function podProblem(pod: Pod): Said | undefined {
  const { metadata, status } = pod;
  if (metadata.deletionTimestamp !== undefined || status?.phase === 'Succeeded') return undefined;
  const describe = `kubectl -n ${metadata.namespace} describe pod ${metadata.name}`;
  const unscheduled = status?.conditions?.find(({ type, status: is }) => type === 'PodScheduled' && is === 'False');
  if (unscheduled?.reason === 'Unschedulable')
    return wrong('PodUnschedulable', named('Pod', pod), `no node takes it: ${unscheduled.message ?? ''}`, describe);
  for (const container of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const said = containerProblem(pod, container, describe);
    if (said) return said;
  }
  return undefined;
}

function containerProblem(pod: Pod, { name, state, lastState }: ContainerStatus, describe: string): Said | undefined {
  const { reason: word = '', message = '' } = state?.waiting ?? {};
  const reason = Object.hasOwn(waiting, word) ? waiting[word] : undefined;
  if (reason === undefined) return undefined;
  const { namespace, name: own } = pod.metadata;
  const ended = lastState?.terminated;
  if (reason === 'ContainerCrashing')
    return wrong(
      reason,
      named('Pod', pod),
      `container ${name} ends again and again${ended ? `, last with ${ended.reason ?? 'Error'}, exit code ${ended.exitCode ?? 0}` : ''}`,
      `kubectl -n ${namespace} logs ${own} -c ${name} --previous`,
    );
  const image = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].find((each) => each.name === name)?.image;
  const what = reason === 'ImageNotPulled' ? `image ${image ?? ''} of container ${name}` : `container ${name}`;
  return wrong(reason, named('Pod', pod), `${what}: ${word}${message === '' ? '' : `: ${message.slice(0, 300)}`}`, describe);
}

export const isReady = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp === undefined && status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

/** Whether the labels have all that a selector of labels asks for. */
export const hasLabels = (labels: Record<string, string> = {}, wanted: Record<string, string> = {}): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);
