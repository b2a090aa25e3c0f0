/** Rules of `spec.backends` and of the object's name (G-3, G-4, G-8). */
import { hostProblem } from '../../src/net/addresses.ts';
import { isObject, listOf } from '../../src/model/json.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

const longestName = 63;

export const backendRules: readonly Rule[] = [
  {
    id: 'design',
    path: 'metadata.name',
    states: 'at most 63 characters',
    broken: ({ name }) => name.length > longestName,
    message: ({ name }) =>
      `has ${name.length} characters; at most ${longestName} fit into the labels of its Secrets and Pods, so choose a shorter name`,
  },
  {
    id: 'S-3',
    path: 'spec.backends',
    states: 'discovery or endpoints',
    broken: ({ spec, discovery, endpoints }) => isObject(spec.backends) && discovery === undefined && endpoints === undefined,
    message: 'names no backends; set discovery (for Pods that carry the annotation frp.io/group: discovery: {}), or endpoints',
  },
  {
    id: 'G-3',
    path: 'spec.backends.discovery.selector',
    states: '`mode: selector` needs a selector that is not empty',
    broken: ({ discovery }) => discovery?.mode === 'selector' && isEmptySelector(discovery.selector),
    message: 'is required by mode "selector" and must not be empty, because an empty selector matches every Pod; set matchLabels',
  },
  {
    id: 'G-3',
    path: 'spec.backends.discovery.selector.matchExpressions',
    states: '`In` and `NotIn` need values; `Exists` and `DoesNotExist` take none',
    broken: (s) => badExpression(s) !== undefined,
    message: (s) => badExpression(s)!,
  },
  {
    id: 'G-3',
    path: 'spec.backends.discovery.port',
    states: '`mode: dns` needs a port',
    broken: ({ discovery }) => discovery?.mode === 'dns' && discovery.port === undefined,
    message: 'is required by mode "dns": a DNS name tells addresses and no port',
  },
  {
    id: 'design',
    path: 'spec.backends.discovery.namespace',
    states: "the service's own namespace",
    broken: ({ discovery, namespace }) => namespace !== '' && discovery?.namespace !== undefined && discovery.namespace !== namespace,
    message: ({ discovery, namespace }) =>
      `must be "${namespace}", the service's own, or absent; to use backends of "${discovery?.namespace}", create the service there`,
  },
  {
    id: 'G-4',
    path: 'spec.backends.endpoints',
    states: 'at least one endpoint',
    broken: ({ endpoints, backends }) => endpoints !== undefined && listOf(backends.endpoints).length === 0,
    message: 'is empty; list at least one host and port, or use discovery',
  },
  {
    id: 'R2.11',
    path: 'spec.backends.endpoints',
    states:
      'hosts that are neither loopback, link-local, cloud metadata, carrier-grade NAT, a translator, unspecified, multicast nor the API server',
    broken: (s) => refusedEndpoint(s) !== undefined,
    message: (s) => refusedEndpoint(s)!,
  },
  {
    id: 'R2.11',
    path: 'spec.backends.discovery.name',
    states: 'as the hosts of endpoints',
    broken: (s) => refusedHost(s, s.discovery?.name) !== undefined,
    message: (s) => refusedHost(s, s.discovery?.name)!,
  },
  {
    id: 'design',
    path: 'spec.backends.replicas',
    states: 'above 1 only where there is a connector',
    broken: ({ backends, discovery }) => isAuto(discovery) && Number(backends.replicas) > 1,
    message: ({ backends }) =>
      `is the number of connector Pods, and discovery mode "auto" has none; remove it, and scale the annotated workload instead of setting ${backends.replicas}`,
  },
];

export const backendWarnings: readonly Rule[] = [
  {
    id: 'G-8',
    path: 'spec.backends',
    states: 'udp with several backends: only one is active',
    broken: ({ serviceType, discovery, endpoints }) => serviceType === 'udp' && (discovery !== undefined || (endpoints?.length ?? 0) > 1),
    message: ({ endpoints }) =>
      `frp does not balance udp, so one backend gets all traffic: ${endpoints ? firstEndpoint(endpoints) : 'the first Pod that registers'}; the others take over when it is gone`,
  },
  {
    id: 'G-3',
    path: 'spec.backends.discovery.selector',
    states: 'a selector that `mode` does not use',
    broken: ({ discovery }) => discovery?.selector !== undefined && discovery.mode !== 'selector',
    message: ({ discovery }) => `is not used by mode "${discovery?.mode ?? 'auto'}"; set mode: selector`,
  },
  {
    id: 'G-3',
    path: 'spec.backends.discovery.name',
    states: 'a DNS name that `mode` does not use',
    broken: ({ discovery }) => discovery?.name !== undefined && discovery.mode !== 'dns',
    message: ({ discovery }) => `is not used by mode "${discovery?.mode ?? 'auto'}"; set mode: dns`,
  },
];

const isAuto = (discovery: Subject['discovery']): boolean => discovery !== undefined && (discovery.mode ?? 'auto') === 'auto';

function isEmptySelector(selector: unknown): boolean {
  if (!isObject(selector)) return true;
  const labels = isObject(selector.matchLabels) ? Object.keys(selector.matchLabels) : [];
  return labels.length + listOf(selector.matchExpressions).length === 0;
}

function badExpression({ discovery }: Subject): string | undefined {
  const expressions = listOf(discovery?.selector?.matchExpressions).filter(isObject);
  for (const { key, operator, values } of expressions) {
    const given = listOf(values).length > 0;
    const label = `operator ${String(operator)} of key "${String(key)}"`;
    if ((operator === 'In' || operator === 'NotIn') && !given) return `${label} needs values; list at least one`;
    if ((operator === 'Exists' || operator === 'DoesNotExist') && given) return `${label} takes no values; remove them`;
  }
  return undefined;
}

/** Names are resolved, and what they lead to is checked, by the controller. */
function refusedHost({ config }: Subject, host: unknown): string | undefined {
  if (typeof host !== 'string' || host === '') return undefined;
  const { allowAddresses, apiServer } = config.connectors;
  const why = hostProblem(host, { allow: allowAddresses, apiServer: apiServer === undefined ? [] : [apiServer] });
  if (why === undefined) return undefined;
  return `${JSON.stringify(host)} ${why}; name a backend that the connector can reach over the network, or have connectors.allowAddresses of the installation allow it`;
}

function refusedEndpoint(subject: Subject): string | undefined {
  const told = (subject.endpoints ?? []).flatMap(({ host }, index) => {
    const why = refusedHost(subject, host);
    return why === undefined ? [] : [`[${index}].host ${why}`];
  });
  return told.length === 0 ? undefined : told.slice(0, 5).join('; ');
}

/** The connector registers endpoints in this order, and frp gives the port to the first. */
function firstEndpoint(endpoints: NonNullable<Subject['endpoints']>): string | undefined {
  return endpoints.map(({ host, port }) => `${host}:${port}`).sort()[0];
}
