/** Rules of what a health check says to the app, and how its failures are counted. */
import { usesGateway } from '../../src/model/gateway.ts';
import { isObject, listOf } from '../../src/model/json.ts';
import { countsAllFailures } from '../../src/frp/versions.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

const defaultThreshold = 3;
const mysqlPort = 3306;

export const checkRules: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.loadBalancing.healthCheck.path',
    states: 'one that a request can have: without `#`, and with encodings that are complete',
    broken: ({ health: { path } }) => typeof path === 'string' && /#|%(?![0-9a-fA-F]{2})/.test(path),
    message: 'no request has such a path: "#" ends it, and "%" begins an encoding of two digits; write %23 and %25 for the characters',
  },
];

export const checkWarnings: readonly Rule[] = [
  {
    id: 'W-1',
    path: 'spec.loadBalancing.healthCheck.failureThreshold',
    states: `a threshold other than 1 and the default, where the frpc of the configuration (\`sidecar.image\`) counts failures since its start`,
    broken: (s) =>
      !usesGateway(s.spec, s.config) && isChecked(s) && isChosen(s.health.failureThreshold) && countsAllFailures(s.config.sidecar.image),
    message: ({ health: { failureThreshold } }) =>
      `frpc up to 0.71.0 counts every failure since its start, not ${failureThreshold} in a row: after ${failureThreshold} of them each one takes the backend out until the next success. Set sidecar.image to a newer frpc, or use the gateway`,
  },
  {
    id: 'design',
    path: 'spec.loadBalancing.healthCheck.type',
    states: '`tcp` for MySQL or MariaDB, by name or port 3306: they take a connection that says nothing for an attack',
    broken: (s) => s.serviceType === 'tcp' && isChecked(s) && (s.health.type ?? 'tcp') === 'tcp' && isMysql(s),
    message: (s) =>
      isAsked(s)
        ? '"tcp" connects and says nothing; MySQL refuses a host that does so max_connect_errors times in a row (100), all its users too. Set healthCheck.enabled: false, or raise max_connect_errors'
        : '"tcp" connects and says nothing, which MySQL logs and counts in Aborted_connects. For none of them set healthCheck.enabled: false, and give the Pods a readinessProbe, which the gateway goes by',
  },
];

const isChecked = ({ serviceType, health, loadBalancing, backends }: Subject): boolean =>
  serviceType !== 'udp' && loadBalancing.healthCheck !== undefined && health.enabled !== false && !backends.readWrite;

const isChosen = (threshold: unknown): boolean =>
  Number(threshold ?? defaultThreshold) > 1 && threshold !== undefined && threshold !== defaultThreshold;

function isMysql({ name, expose, discovery, endpoints }: Subject): boolean {
  const named = listOf(expose.ports).filter(isObject);
  const ports = [
    expose.port,
    discovery?.port,
    ...[...(endpoints ?? []), ...named].map(({ port }) => port),
    ...named.map(({ backendPort }) => backendPort),
  ];
  return ports.includes(mysqlPort) || name.split('-').some((word) => ['mysql', 'mariadb', 'percona', 'galera'].includes(word));
}

/** Whether the check comes to MySQL from an address: of loopback, where sidecars are, it keeps no account of hosts. */
const isAsked = ({ discovery, endpoints, config }: Subject): boolean =>
  endpoints !== undefined || (discovery?.mode ?? 'auto') !== 'auto' || config.sidecar.appAddress === 'podIP';
