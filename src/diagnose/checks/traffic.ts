/** A timed real request for each http service through each replica of the gateway, and by each backend (--traffic). */
import { exposuresOf } from '../../model/exposure.ts';
import { usesGateway } from '../../model/gateway.ts';
import { gatewayName } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Check, Said } from '../finding.ts';
import type { Answered } from '../probes.ts';
import { isReady } from '../pod-problem.ts';
import { itemsOf, unread, valueOf, type Read } from '../read.ts';
import { unknown, warning, wrong } from '../say.ts';
import type { Snapshot } from '../snapshot.ts';

const slowMs = 2000;
const mostServices = 50;
/** Of all services together, counted once for each replica. */
const mostBackends = 200;

export const trafficCheck: Check = {
  id: 'traffic',
  category: 'observability',
  title: 'a real request gets through to every http service',
  isTraffic: true,
  after: ['namespace', 'crd', 'configuration', 'gateway'],
  run: async ({ snapshot, probes, told }) => {
    if (!probes) return [];
    const gateways = itemsOf(snapshot.gateway.pods).filter((pod) => pod.metadata.labels?.app === gatewayName && isReady(pod));
    const port = valueOf(snapshot.config)?.gateway.httpPort ?? 8080;
    const said: Said[] = [];
    let left = mostBackends;
    for (const service of httpServices(snapshot).slice(0, mostServices)) {
      const entry = entryOf(service, snapshot)!;
      const judge = (where: string, answer: Read<Answered>) => judged(service, `GET http://${entry.host}${entry.path} ${where}`, answer);
      for (const { metadata } of gateways) {
        const answer = await probes.getFromPod(metadata.namespace!, metadata.name, port, entry.path, { host: entry.host });
        if ('forbidden' in answer) return [unknown(`this account may not ${answer.forbidden}`)];
        const found = judge(`by Pod ${metadata.name}`, answer);
        if (typeof found === 'string') told?.(found);
        else said.push(found);
      }
      // What the app expects before a request, HAProxy alone says.
      if (service.spec.expose?.proxyProtocol !== undefined || left <= 0 || !probes.throughBackends) continue;
      const { answers } = await probes.throughBackends(`${service.metadata.namespace}/${service.metadata.name}`, entry, left);
      left -= answers.length;
      for (const { replica, pod, answer } of answers) {
        const found = judge(`by backend ${pod} at ${replica}`, answer);
        if (typeof found === 'string') told?.(found);
        else said.push(found);
      }
    }
    return said;
  },
};

/** @returns what is wrong with an answer, or how long a good one took */
function judged({ metadata: { namespace, name } }: DistributedService, where: string, answer: Read<Answered>): Said | string {
  const object = { kind: 'DistributedService', namespace, name };
  const remedy = `frp-k8s check -n ${namespace}`;
  if (!('ok' in answer)) return wrong('RequestFailed', object, `${where}: ${unread(answer) ?? 'the Pod is gone'}`, remedy);
  const { status, ms } = answer.ok;
  if ([502, 503, 504].includes(status)) return wrong('RequestFailed', object, `${where} answered ${status}`, remedy);
  if (ms > slowMs) return warning('RequestSlow', object, `${where} took ${Math.round(ms)} ms`, remedy);
  return `${where}: ${status} in ${Math.round(ms)} ms`;
}

const httpServices = (snapshot: Snapshot): DistributedService[] =>
  itemsOf(snapshot.services).filter(
    (service) => service.metadata.deletionTimestamp === undefined && entryOf(service, snapshot) !== undefined,
  );

/** Where a user would ask: an http host of the gateway that is no wildcard. */
function entryOf({ spec, status }: DistributedService, { config }: Snapshot): { host: string; path: string } | undefined {
  const known = valueOf(config);
  if (!known || spec.serviceType !== 'http' || !usesGateway(spec, known)) return undefined;
  if (!status?.conditions?.some(({ type, status: is }) => type === 'ConfigurationValid' && is === 'True')) return undefined;
  const exposure = exposuresOf(spec, known.baseDomain).find((each) => 'host' in each && !each.host.startsWith('*'));
  return exposure && 'host' in exposure ? { host: exposure.host, path: '/' } : undefined;
}
