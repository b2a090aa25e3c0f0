/** What a claim on a host or port meets (G-14), and what it takes from others, as findings. */
import type { Config } from '../../src/config/schema.ts';
import type { Conflict } from '../../src/model/claims.ts';
import { describeExposure, exposuresOf, type Exposure } from '../../src/model/exposure.ts';
import type { Finding } from '../../src/model/findings.ts';
import { eligibilityOf } from '../../src/model/grants.ts';
import { portField } from '../../src/model/pools.ts';
import type { DistributedService } from '../../src/model/types.ts';

const reservedBecause = {
  publicSuffix: 'stands for names of many owners, because they are below a public suffix',
  baseDomain: 'takes in the base domain of the installation, below which namespaces have names by spec.expose.subdomain',
} as const;

const grants = 'exposure[] of the frp-k8s configuration';

export function conflictFinding(conflict: Conflict, service: DistributedService): Finding {
  return { path: pathOf(conflict.exposure, service), message: messageOf(conflict, service.metadata.namespace ?? '') };
}

/** A wildcard that no grant gives: the namespaces that come later lose every name below it. */
export function wildcardFindings(service: DistributedService, { exposure: given, baseDomain }: Config): Finding[] {
  const { namespace = '' } = service.metadata;
  const exposures = service.spec?.serviceType === undefined ? [] : (exposuresOf(service.spec, baseDomain) ?? []);
  return exposures.flatMap((exposure): Finding[] => {
    if (!('host' in exposure) || !String(exposure.host).startsWith('*.')) return [];
    if (eligibilityOf(given, namespace, exposure, baseDomain).kind !== 'free') return [];
    const message =
      `"${exposure.host}" shuts every other namespace out of the names below it. To let one in, grant in ${grants} ` +
      `its name to that namespace, and ${exposure.host} to "${namespace}"`;
    return [{ path: pathOf(exposure, service), message }];
  });
}

function pathOf(exposure: Exposure, { spec }: DistributedService): string {
  if ('port' in exposure) return portField(spec);
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
      return foreignMessage(conflict, what, namespace);
    case 'notGranted':
      return `${what} is granted to ${namespaceList(conflict.namespaces)} in ${grants}; choose ${another}, or have it granted to namespace "${namespace}"`;
    case 'reserved':
      return `${what} ${reservedBecause[conflict.because]}; choose another host, or have it granted to namespace "${namespace}" in ${grants}`;
  }
}

/** The other service is named, and not its host: whoever may write grants can look it up. */
function foreignMessage({ other, by }: Extract<Conflict, { kind: 'foreign' }>, what: string, namespace: string): string {
  const [owner] = other.split('/');
  const granted = `have it granted to namespace "${namespace}" in ${grants}`;
  switch (by) {
    case 'name':
      return `${what} belongs to the namespace of DistributedService ${other}, which claimed it first; choose another host, or ${granted}`;
    case 'its wildcard':
      return `${what} is below a wildcard of DistributedService ${other}, whose namespace claimed it first; choose another host, or ${granted}, and the wildcard to "${owner}"`;
    case 'this wildcard':
      return `${what} takes in a host of DistributedService ${other}, whose namespace claimed it first; choose a host beside it, or ${granted}, and that host to "${owner}"`;
  }
}

const namespaceList = (names: string[]): string =>
  `${names.length === 1 ? 'namespace' : 'namespaces'} ${names.map((name) => `"${name}"`).join(', ')}`;
