/** What the benchmark sends and what the servers read: reviews of three sizes, services, and a certificate. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createAuthority, issue } from '../../certs/authority.ts';
import { namespace, pod, type Size } from './pod.ts';

export const sizes: readonly Size[] = ['small', 'typical', 'large'];
export const sizeText: Record<Size, string> = { small: '2 KB', typical: '8 KB', large: '97 KB' };

const variants = 8;

/** Eight reviews of a size as files, of Pods as a ReplicaSet's controller creates them. @returns their folder */
export function writeReviews(folder: string, size: Size): string {
  const own = path.join(folder, size);
  mkdirSync(own, { recursive: true });
  for (let variant = 0; variant < variants; variant++) {
    writeFileSync(path.join(own, `0${variant}.json`), JSON.stringify(review(size, variant)));
  }
  return own;
}

/** A folder with one list of services; the first one is the group of the reviews. */
export function writeServices(folder: string, count: number): string {
  const own = path.join(folder, `services-${count}`);
  mkdirSync(own, { recursive: true });
  const items = Array.from({ length: count }, (_, index) => service(index));
  writeFileSync(path.join(own, 'services.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  return own;
}

/** A certificate for both servers. */
export async function writeCertificate(folder: string): Promise<{ certFile: string; keyFile: string }> {
  const validity = { lifetimeMs: 86_400_000, now: Date.now() };
  const authority = await createAuthority(validity);
  const { certPem, keyPem } = await issue(authority, {
    commonName: 'bench',
    ipAddresses: ['127.0.0.1'],
    usages: ['serverAuth'],
    ...validity,
  });
  const [certFile, keyFile] = [path.join(folder, 'tls.crt'), path.join(folder, 'tls.key')];
  writeFileSync(certFile, certPem);
  writeFileSync(keyFile, keyPem);
  return { certFile, keyFile };
}

function service(index: number) {
  return {
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: {
      name: index === 0 ? 'web' : `service-${index}`,
      namespace: index === 0 ? namespace : `namespace-${index % 500}`,
      uid: `0b0e8c1e-0000-4000-8000-${String(index).padStart(12, '0')}`,
      resourceVersion: String(1000 + index),
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: `service-${index}`, team: `team-${index % 40}` },
    },
    spec: {
      serviceType: 'http',
      backends: { discovery: { mode: 'selector', selector: { matchLabels: { app: 'web' } }, port: 8080 } },
      loadBalancing: { healthCheck: { enabled: true, type: 'http', path: '/healthz', interval: '10s', timeout: '3s' } },
      expose: { type: 'domain', domain: `service-${index}.example.com` },
      advanced: { connectionPool: { enabled: true, size: 5 } },
    },
  };
}

function review(size: Size, variant: number) {
  const pods = { group: '', version: 'v1' };
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      // The generator writes another one into each request, and expects it back.
      uid: '00000000-0000-4000-8000-000000000000',
      kind: { ...pods, kind: 'Pod' },
      resource: { ...pods, resource: 'pods' },
      requestKind: { ...pods, kind: 'Pod' },
      requestResource: { ...pods, resource: 'pods' },
      namespace,
      operation: 'CREATE',
      userInfo: {
        username: 'system:serviceaccount:kube-system:replicaset-controller',
        uid: 'c8b4f9a0-0000-4000-8000-000000000001',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
      },
      object: pod(size, variant),
      oldObject: null,
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    },
  };
}
