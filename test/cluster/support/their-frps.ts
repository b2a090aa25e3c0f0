/** An frps that somebody else runs, with a token and a certificate of its own making. */
import { get, items, type Manifest } from './kubectl.ts';
import { podSecurity } from './objects.ts';

export const theirs = 'their-frps';
/** As sidecars know it. */
export const theirAddress = `frps.${theirs}.svc`;

/** Its configuration. @param more keys */
export const theirConfiguration = (token: string, more: object = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'frps', namespace: theirs },
  data: { 'frps.json': JSON.stringify({ bindPort: 7000, vhostHTTPPort: 8080, vhostHTTPSPort: 8443, auth: { token }, ...more }) },
});

/** @param more ports of users that its Service has */
export const theirServer = (more: { port: number; protocol: 'TCP' | 'UDP' }[] = []): Manifest[] => [
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'frps', namespace: theirs },
    spec: {
      selector: { matchLabels: { app: 'frps' } },
      template: {
        metadata: { labels: { app: 'frps' } },
        spec: {
          securityContext: { ...podSecurity, sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] },
          terminationGracePeriodSeconds: 1,
          volumes: [{ name: 'config', configMap: { name: 'frps' } }],
          containers: [
            {
              name: 'frps',
              image: 'docker.io/fatedier/frps:v0.71.0',
              args: ['-c', '/config/frps.json'],
              volumeMounts: [{ name: 'config', mountPath: '/config' }],
              readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1 },
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
            },
          ],
        },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'frps', namespace: theirs },
    spec: {
      selector: { app: 'frps' },
      ports: [...[7000, 7500, 8080].map((port) => ({ port, protocol: 'TCP' })), ...more].map((each) => ({
        name: `p${each.port}`,
        ...each,
      })),
    },
  },
];

/** Of its Pod, where every port of it can be reached. */
export async function theirPodAddress(): Promise<string> {
  const [{ metadata }] = (await items(theirs, 'pod', '-l', 'app=frps')) as [Manifest];
  return String((await get(theirs, 'pod', metadata.name!)).status.podIP);
}
