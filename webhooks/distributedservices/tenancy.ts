/** What a claim on a host or port meets (G-14), as findings. */
import type { Conflict } from '../../src/model/claims.ts';
import { describeExposure } from '../../src/model/exposure.ts';
import type { Finding } from '../../src/model/findings.ts';
import type { DistributedService } from '../../src/model/types.ts';

const reservedBecause = {
  publicSuffix: 'stands for names of many owners, because they are below a public suffix',
  baseDomain: 'takes in the base domain of the installation, below which namespaces have names by spec.expose.subdomain',
} as const;

export function conflictFinding(conflict: Conflict, service: DistributedService): Finding {
  return { path: pathOf(conflict, service), message: messageOf(conflict, service.metadata.namespace ?? '') };
}

function pathOf({ exposure }: Conflict, { spec }: DistributedService): string {
  if ('port' in exposure) return 'spec.expose.port';
  return spec.expose?.domain === exposure.host ? 'spec.expose.domain' : 'spec.expose.subdomain';
}

function messageOf(conflict: Conflict, namespace: string): string {
  const { exposure } = conflict;
  const what = 'host' in exposure ? `host ${exposure.host}` : describeExposure(exposure);
  const another = 'host' in exposure ? 'another host' : 'another port';
  switch (conflict.kind) {
    case 'duplicate':
      return `${describeExposure(exposure)} is already exposed by DistributedService ${conflict.other}; choose ${exposure.kind === 'http' ? 'another host or path' : another}`;
    case 'foreign':
      return `${what} belongs to the namespace of DistributedService ${conflict.other}, which claimed it first; choose another host, or have it granted to namespace "${namespace}" in exposure[] of the frp-k8s configuration`;
    case 'notGranted':
      return `${what} is granted to ${namespaceList(conflict.namespaces)} in exposure[] of the frp-k8s configuration; choose ${another}, or have it granted to namespace "${namespace}"`;
    case 'reserved':
      return `${what} ${reservedBecause[conflict.because]}; choose another host, or have it granted to namespace "${namespace}" in exposure[] of the frp-k8s configuration`;
  }
}

const namespaceList = (names: string[]): string =>
  `${names.length === 1 ? 'namespace' : 'namespaces'} ${names.map((name) => `"${name}"`).join(', ')}`;
