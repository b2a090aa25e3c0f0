/** Containers that end and are started again by the kubelet. */
import { get, type Json } from './kubectl.ts';
import { eventually } from './run.ts';

export interface Container {
  namespace: string;
  pod: string;
  name: string;
}

/** Ends a container by `kill`, and waits until it runs again and its Pod is Ready. */
export async function restartedBy(kill: () => Promise<void> | void, container: Container): Promise<void> {
  const before = (await stateOf(container)).starts;
  await kill();
  await eventually(`${container.name} of ${container.pod} runs again`, async () => {
    const { starts, isReady } = await stateOf(container);
    if (starts <= before || !isReady) throw new Error(`${starts} restarts, before ${before}; ready: ${isReady}`);
  });
}

async function stateOf({ namespace, pod, name }: Container): Promise<{ starts: number; isReady: boolean }> {
  const { status } = await get(namespace, 'pod', pod);
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])] as Json[];
  const found = containers.find((container) => container.name === name);
  const isReady = (status.conditions as Json[]).some((condition) => condition.type === 'Ready' && condition.status === 'True');
  return { starts: Number(found?.restartCount ?? 0), isReady };
}
