/** A real request by one backend: into its tunnel where that ends in a replica of the gateway, past the balancing. */
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../config/schema.ts';
import type { Answered, BackendAnswer, Probes } from '../diagnose/probes.ts';
import { read, type Read } from '../diagnose/read.ts';
import type { ServiceReport } from '../gateway/api/report-types.ts';
import type { KubeClient } from '../kube/client.ts';
import { portForward } from './port-forward.ts';
import { askAll, reachCluster } from './reach.ts';

/** Milliseconds. */
const patience = 10_000;
/** Of an answer no more is read. Bytes. */
const mostBody = 65_536;

/** @returns a probe that takes the rights to ask the gateway (docs/guide/status.md), and to forward a port of its Pods */
export function throughBackends(client: KubeClient, config: Read<Config>): NonNullable<Probes['throughBackends']> {
  const reach = reachCluster(client, config);
  const namespace = 'ok' in config ? config.ok.gateway.namespace : 'frp-gateway';
  return async (service, { host, path }, most) => {
    const { heard, problems } = await askAll<ServiceReport>(await reach, `/api/services/${service}`);
    const wanted = heard.flatMap(({ replica, answer }) =>
      answer.backends.flatMap(({ pod, state, tunnelPort }) =>
        state === 'up' && tunnelPort !== undefined ? [{ replica, pod, port: tunnelPort }] : [],
      ),
    );
    const answers: BackendAnswer[] = [];
    for (const { replica, pod, port } of wanted.slice(0, most)) {
      const answer = await read(`create pods/portforward of namespace ${namespace}`, async () =>
        answered(await portForward(client.access.kubeConfig, namespace, replica, port), host, path),
      );
      answers.push({ replica, pod, answer });
    }
    return { answers, problems };
  };
}

function answered(stream: Duplex, host: string, path: string): Promise<Answered> {
  const start = performance.now();
  return new Promise<Answered>((resolve, reject) => {
    const options = { host: 'localhost', path, headers: { host, 'user-agent': 'frp-k8s' }, signal: AbortSignal.timeout(patience) };
    const outgoing = request({ ...options, createConnection: () => stream }, (incoming) => {
      const ms = performance.now() - start;
      const chunks: Buffer[] = [];
      let bytes = 0;
      const done = () => {
        const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
        resolve({ status: incoming.statusCode ?? 0, ms, body: Buffer.concat(chunks).toString('utf8'), headers });
        incoming.destroy();
      };
      incoming.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        // What goes on for ever, such as a stream of events, has answered.
        if (bytes > mostBody) done();
      });
      incoming.on('end', done);
      incoming.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  }).finally(() => stream.destroy());
}
