/** Settings in which the groups of one sidecar differ, though it can have only one of each: what it has is a warning. */
import { seconds } from '../../src/frp/units.ts';
import type { DistributedService, DistributedServiceSpec } from '../../src/model/types.ts';
import { hasOtherCertificate, sharedCertificate } from './projected-files.ts';

type Advanced = NonNullable<DistributedServiceSpec['advanced']>;

/** Which of them a tunnel has, sharedTuning() decides (src/frp/tuning.ts). */
const tunings: readonly {
  field: string;
  of: (advanced: Advanced) => string | undefined;
  ordered: (text: string) => number;
  has: string;
}[] = [
  { field: 'connectionPool', of: ({ connectionPool }) => poolOf(connectionPool), ordered: (text) => -Number(text), has: 'the largest' },
  { field: 'timeout.dial', of: ({ timeout }) => timeout?.dial, ordered: (text) => -seconds(text), has: 'the longest' },
  { field: 'timeout.keepAlive', of: ({ timeout }) => timeout?.keepAlive, ordered: seconds, has: 'the shortest' },
];

function poolOf(pool: Advanced['connectionPool']): string | undefined {
  if (pool?.enabled === false) return '0';
  return pool?.size === undefined ? undefined : String(pool.size);
}

/** @param services the groups of one sidecar */
export function sharedWarnings(services: readonly DistributedService[]): string[] {
  if (services.length < 2) return [];
  const names = services.slice(0, 3).map(({ metadata }) => `"${metadata.name}"`);
  const share = `groups ${names.join(', ')}${services.length > 3 ? ', …' : ''} share a sidecar`;
  const warnings = tunings.flatMap(({ field, of, ordered, has }) => {
    const said = new Set(services.flatMap(({ spec }) => of(spec.advanced ?? {}) ?? []));
    const [first] = [...said].sort((a, b) => ordered(a) - ordered(b));
    return said.size < 2 ? [] : [`${share} and differ in spec.advanced.${field}: its tunnel has ${has}, ${first}`];
  });
  if (sharedCertificate(services) === undefined && services.some(hasOtherCertificate))
    warnings.push(
      `${share}, which shows one certificate: that of frp-k8s, because theirs differ; ` +
        'for another one set spec.security.mtls.mode to manual in each of them, with the same certSecret',
    );
  return warnings;
}
