/** The samples of manifests/samples with an app for each of them. */
import assert from 'node:assert/strict';
import { createAuthority } from '../../../certs/authority.ts';
import { clientPair } from './certificates.ts';
import { testNamespace } from './cluster.ts';
import { grpcServer } from './grpc.ts';
import type { Issuer } from './issuer.ts';
import { apply, kubectl, tryApply, type Json, type Manifest } from './kubectl.ts';
import { deployment, pod, script } from './objects.ts';
import { eventually } from './run.ts';
import { allowedSecret, sample, serviceOf } from './samples.ts';

const withLabels = (object: Manifest, labels: Record<string, string>): Manifest => {
  const { spec } = object as Json;
  Object.assign((spec.template ?? object).metadata.labels as object, labels);
  return object;
};
const ollamaPods = (): Manifest =>
  withLabels(deployment({ namespace: 'ai-services', name: 'ollama', replicas: 3, port: 11434 }), { tier: 'inference' });
/** What <name>.internal stands for: a Pod behind a headless Service. */
const endpoint = (name: string): Manifest[] => [
  pod({ namespace: 'internal', name, container: script(grpcServer()) }),
  serviceOf('internal', name, 9090, { clusterIP: 'None' }),
];
/** A Pod like this one would be injected now. */
export const injects = (example: Manifest, expected: RegExp = /"frpc"/): Promise<void> =>
  eventually(`a sidecar for ${example.metadata.name}`, async () => {
    const { code, stdout, stderr } = await tryApply([example], '--dry-run=server', '-o', 'json');
    assert.equal(code, 0, stderr);
    assert.match(JSON.stringify(JSON.parse(stdout).spec), expected);
  });

async function userServiceAsSample(): Promise<Manifest[]> {
  const names = ['user-service-1', 'user-service-2'];
  await apply(...names.flatMap(endpoint));
  await kubectl('-n', 'internal', 'wait', '--for=condition=Ready', ...names.map((name) => `pod/${name}`), '--timeout=60s');
  const authority = await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() });
  return [
    ...sample('user-service'),
    allowedSecret('microservices', 'internal-ca', { 'ca.crt': authority.certPem }),
    allowedSecret('microservices', 'user-service-cert', await clientPair(authority)),
  ];
}

/** All of them, in namespaces that are made anew. @param issuer of the tokens of webapp-frontend */
export async function applySamples(issuer: Issuer): Promise<void> {
  await apply(
    ...['ollama-cluster', 'webapp-frontend', 'api-gateway'].flatMap(sample),
    ...(await userServiceAsSample()),
    allowedSecret('ai-services', 'ollama-api-keys', { team: 'key-of-team' }),
    allowedSecret('web', 'oauth2-config', { issuer: issuer.url, audience: 'webapp' }),
  );
  await injects(withLabels(pod({ namespace: 'ai-services', name: 'ollama', port: 11434 }), { tier: 'inference' }));
  await apply(
    ollamaPods(),
    deployment({ namespace: 'web', name: 'webapp', replicas: 2, port: 3000, frp: { group: 'webapp-frontend' } }),
    deployment({ namespace: 'apis', name: 'auth', frp: { group: 'auth-service', 'readiness-gate': 'true' } }),
    deployment({ namespace: 'apis', name: 'users', port: 8081, frp: { group: 'user-service', 'readiness-gate': 'true' } }),
  );
}

export async function sampleNamespaces(): Promise<void> {
  await Promise.all([
    testNamespace('ai-services', { 'frp.io/injection': 'enabled' }),
    ...['microservices', 'internal', 'web', 'apis'].map((name) => testNamespace(name)),
  ]);
}
