/** Users of one gateway, by its https port and by the port that tunnels share with users, in turns. */
import { service } from '../../support/services.ts';
import { putService } from '../../gateway/installation.ts';
import { table } from '../report.ts';
import { compare, cpuOf, loads, startSidecars, ways, type Figures, type Way } from './compare.ts';
import { appPorts, type Installation } from './installation.ts';

export const sharedPort = 443;
const ownPort = 8443;
const host = 'web.example.com';

const entrance = (port: number): Way => ({ url: `https://127.0.0.1:${port}/`, host, parts: ways.gateway.parts });

/** @param bench with `gateway.tunnelPort` @returns what it found, as text */
export async function compareEntrances(
  bench: Installation,
  options: { generator: string; rounds: number; seconds: number },
): Promise<string> {
  await bench.startApps();
  await bench.startGateway();
  const served = service('web', {
    expose: { type: 'domain', domain: host, tls: { secretName: 'web' } },
    loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'http', path: '/', interval: '10s' } },
  });
  putService(bench.api, served);
  bench.putCertificate('web');
  await startSidecars(bench, served, 1);
  await bench.eventually('three members are at the gateway', async () => (await bench.serversUp()).size === appPorts.length);
  const results = await compare(bench, { own: entrance(ownPort), shared: entrance(sharedPort) }, { ...options, loads });
  const rows = results.flatMap(({ own, shared }, at) => {
    const cells = (name: string, { requestsPerSecond, p50Ms, p99Ms, cpu }: Figures) => [
      name,
      requestsPerSecond.toFixed(0),
      p50Ms.toFixed(2),
      p99Ms.toFixed(2),
      ...[cpu['HAProxy of the tunnels']!, cpuOf({ requestsPerSecond, p50Ms, p99Ms, cpu })].map((micros) => micros.toFixed(0)),
    ];
    return [
      [loads[at]!.name, ...cells('own port', own)],
      ['', ...cells('shared port', shared)],
    ];
  });
  return table(['load', 'way', 'requests/s', 'p50 ms', 'p99 ms', "CPU µs/request, tunnels' HAProxy", 'CPU µs/request, all'], rows);
}
