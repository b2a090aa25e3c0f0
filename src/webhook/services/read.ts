/** DistributedServices of a file, or of every YAML and JSON file of a directory. */
import { UserError } from '../../errors.ts';
import { objectsOf, readManifests } from '../../manifests/read.ts';
import { kind as serviceKind } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import { loadServices } from './load.ts';

/** @throws UserError that lists every problem, each with its file */
export function readServices(location: string): DistributedService[] {
  const objects = readManifests([location])
    .flatMap(objectsOf)
    .filter(({ value }) => value.kind === serviceKind);
  const { services, problems } = loadServices(objects);
  if (problems.length > 0) throw new UserError(problems.join('\n'));
  return services;
}
