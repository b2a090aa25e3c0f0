/** A timed real request for each http service through each replica of the gateway (--traffic). */
import { exposuresOf } from '../../model/exposure.ts';
import { usesGateway } from '../../model/gateway.ts';
import { gatewayName } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Check, Said } from '../finding.ts';
import { isReady } from '../pod-problem.ts';
import { itemsOf, valueOf } from '../read.ts';
import { unknown, warning, wrong } from '../say.ts';
import type { Snapshot } from '../snapshot.ts';

const slowMs = 2000;
const mostServices = 50;

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
    for (const service of httpServices(snapshot).slice(0, mostServices))
      for (const { metadata } of gateways) {
        const entry = entryOf(service, snapshot)!;
        const object = { kind: 'DistributedService', namespace: service.metadata.namespace, name: service.metadata.name };
        const where = `GET http://${entry.host}${entry.path} by Pod ${metadata.name}`;
        const answer = await probes.getFromPod(metadata.namespace!, metadata.name, port, entry.path, { host: entry.host });
        const remedy = `frp-k8s check -n ${service.metadata.namespace}`;
        if ('forbidden' in answer) return [unknown(`this account may not ${answer.forbidden}`)];
        if (!('ok' in answer))
          said.push(wrong('RequestFailed', object, `${where}: ${'failed' in answer ? answer.failed : 'the Pod is gone'}`, remedy));
        else if ([502, 503, 504].includes(answer.ok.status))
          said.push(wrong('RequestFailed', object, `${where} answered ${answer.ok.status}`, remedy));
        else if (answer.ok.ms > slowMs) said.push(warning('RequestSlow', object, `${where} took ${Math.round(answer.ok.ms)} ms`, remedy));
        else told?.(`${where}: ${answer.ok.status} in ${Math.round(answer.ok.ms)} ms`);
      }
    return said;
  },
};

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
