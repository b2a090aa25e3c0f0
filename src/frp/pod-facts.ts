/** What the gateway wants to know of a Pod that may be a member. */
import { annotation } from '../model/names.ts';
import { partKey } from '../model/pools.ts';
import { isProfile, type ProfileName } from '../model/profiles.ts';
import { membershipsIn } from './proxy-names.ts';

export interface PodFacts {
  namespace: string;
  name: string;
  /** its containers are ready, and it is not being deleted */
  isReady: boolean;
  /** annotation frp.io/weight; undefined where there is none that is a whole number of at least 0 */
  weight: number | undefined;
  ip: string | undefined;
  /** annotation frp.io/profile, where it is one that is known */
  profile?: ProfileName | undefined;
  /** port of the app, by name of the service; and by name:port where the service has several (partKey) */
  ports: Readonly<Record<string, number>>;
}

interface Pod {
  metadata: { namespace?: string; name: string; annotations?: Record<string, string>; deletionTimestamp?: string };
  status?: { phase?: string; podIP?: string; conditions?: { type: string; status: string }[] };
}

/** undefined for a Pod that has ended */
export function podFactsOf({ metadata, status }: Pod): PodFacts | undefined {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined;
  const { namespace = '', name, annotations = {}, deletionTimestamp } = metadata;
  const ready = status?.conditions?.find(({ type }) => type === 'ContainersReady');
  return {
    namespace,
    name,
    isReady: deletionTimestamp === undefined && ready?.status === 'True',
    weight: weightOf(annotations[annotation.weight]),
    ip: status?.podIP,
    ...profileOf(annotations[annotation.profile]),
    ports: portsOf(annotations, namespace),
  };
}

const profileOf = (text: string | undefined): Pick<PodFacts, 'profile'> => (text !== undefined && isProfile(text) ? { profile: text } : {});

const weightOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^[0-9]{1,7}$/.test(text) ? Number(text) : undefined;

function portsOf(annotations: Record<string, string>, namespace: string): Record<string, number> {
  const ports: Record<string, number> = {};
  for (const [key, text] of Object.entries(annotations)) {
    if (!/^frp\.io\/frpc(-[1-9][0-9]*)?\.json$/.test(key)) continue;
    for (const { service, port, ports: named } of membershipsIn(text, namespace)) {
      ports[service] = port;
      for (const [name, local] of Object.entries(named ?? {})) ports[partKey(service, name)] = local;
    }
  }
  return ports;
}
