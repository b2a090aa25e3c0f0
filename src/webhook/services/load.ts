/** Objects of files as DistributedServices: checked and defaulted as the API server would have done it. */
import { asReviewed } from '../../manifests/json.ts';
import type { ManifestObject } from '../../manifests/read.ts';
import { decodingFindings } from '../../model/decoding.ts';
import { defaulted } from '../../model/defaults.ts';
import { describeFinding } from '../../model/findings.ts';
import { schemaFindings } from '../../model/schema-findings.ts';
import type { DistributedService } from '../../model/types.ts';

/** @returns the services, and each problem as a sentence that begins with its file and object */
export function loadServices(inputs: readonly ManifestObject[]): { services: DistributedService[]; problems: string[] } {
  const problems: string[] = [];
  const services = inputs.flatMap(({ document, value: read }): DistributedService[] => {
    const value = asReviewed(read);
    const object = defaulted(value);
    const decoding = decodingFindings(value);
    const findings = decoding.length > 0 ? decoding : schemaFindings(object);
    const { name = '(no name)' } = (value.metadata ?? {}) as { name?: string };
    problems.push(...findings.map((finding) => `${document.file}: DistributedService/${name}: ${describeFinding(finding)}`));
    return findings.length > 0 ? [] : [object as unknown as DistributedService];
  });
  return { services, problems };
}
