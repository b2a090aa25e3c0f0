/** Whether the parts can be asked how they are, and a real request gets through. */
import { gatewayName } from '../../model/names.ts';
import type { Check, CheckContext, Said } from '../finding.ts';
import { isReady } from '../pod-problem.ts';
import { itemsOf } from '../read.ts';
import { selects } from '../policies.ts';
import { few, look, named, unknown, warning } from '../say.ts';
import type { Pod } from '../shapes.ts';
import type { Place } from '../snapshot.ts';
import { trafficCheck } from './traffic.ts';

const answers = (id: string, title: string, of: (context: CheckContext) => Place, app: string, port: number): Check => ({
  id,
  category: 'observability',
  title,
  after: ['namespace'],
  run: (context) => {
    const { probes } = context;
    if (!probes) return [];
    const pods = itemsOf(of(context).pods).filter((pod) => pod.metadata.labels?.app === app && isReady(pod));
    return Promise.all(pods.map((pod) => metricsSaid(pod, port, probes, of(context)))).then((said) => few(said.flat(), 'Pods'));
  },
});

async function metricsSaid(pod: Pod, port: number, probes: NonNullable<CheckContext['probes']>, place: Place): Promise<readonly Said[]> {
  const { namespace = '', name } = pod.metadata;
  const logs = `kubectl -n ${namespace} logs ${name}`;
  const answer = await probes.getFromPod(namespace, name, port, '/metrics');
  // A NetworkPolicy, such as the installation's own, may let Pods in and not the API server.
  const isLimited = itemsOf(place.networkPolicies).some(({ spec }) => selects(spec?.podSelector, pod.metadata.labels));
  if ('failed' in answer && isLimited)
    return [
      unknown(`Pod ${namespace}/${name} was not reached by the API server's proxy, which a NetworkPolicy may keep out: ${answer.failed}`),
    ];
  if ('failed' in answer)
    return [warning('MetricsUnreachable', named('Pod', pod), `its port ${port} does not answer: ${answer.failed}`, logs)];
  return look(
    answer,
    ({ status }) =>
      status === 200 ? [] : [warning('MetricsUnreachable', named('Pod', pod), `GET /metrics at port ${port} answered ${status}`, logs)],
    () => [unknown(`Pod ${namespace}/${name} is not there any more`)],
  );
}

export const observabilityChecks: readonly Check[] = [
  answers('webhook-metrics', 'the webhooks tell their metrics', ({ snapshot }) => snapshot.installation, 'frp-webhook', 8080),
  answers('controller-metrics', 'the controller tells its metrics', ({ snapshot }) => snapshot.installation, 'frp-controller', 8080),
  answers('gateway-metrics', 'the gateway tells its metrics', ({ snapshot }) => snapshot.gateway, gatewayName, 8081),
  trafficCheck,
];
