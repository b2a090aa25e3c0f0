/** What of a view is a reload's business, and whose; and a view without what has to wait for one. Pure. */
import type { Exposure } from '../../../model/exposure.ts';
import type { DistributedService } from '../../../model/types.ts';
import type { ServedService, View } from '../../ir/ir.ts';
import { keyOf as keyOfService } from '../../ir/service-key.ts';

export const keyOf = ({ service }: ServedService): string => keyOfService(service);
export const namespaceOf = (key: string): string => key.slice(0, key.indexOf('/'));

const specs = new WeakMap<DistributedService, string>();

/** All that may need a reload when it changes; not its servers, keys and certificates. */
function structureOf({ service, exposures, access, certificate }: ServedService): string {
  let spec = specs.get(service);
  if (spec === undefined) specs.set(service, (spec = JSON.stringify(service.spec)));
  return JSON.stringify([spec, exposures, access.kind === 'jwt' ? access : access.kind, certificate === undefined]);
}

/** Services that have come, gone or changed in more than servers, keys and certificates. */
export function changedServices(before: View, after: View): string[] {
  const known = new Map(before.services.map((each) => [keyOf(each), each]));
  const changed: string[] = [];
  for (const each of after.services) {
    const key = keyOf(each);
    const was = known.get(key);
    known.delete(key);
    if (was !== each && (!was || structureOf(was) !== structureOf(each))) changed.push(key);
  }
  return [...changed, ...known.keys()];
}

const siteOf = (exposure: Exposure): string | number => ('host' in exposure ? exposure.host : exposure.port);

/**
 * The view with services of some namespaces as they were, but for what can be changed at run time. A host or port that
 * another service has now is that one's.
 */
export function heldBack(before: View, after: View, namespaces: ReadonlySet<string>): View {
  const isHeld = (each: ServedService) => namespaces.has(namespaceOf(keyOf(each)));
  const free = after.services.filter((each) => !isHeld(each));
  const taken = new Set(free.flatMap(({ exposures }) => exposures.map(siteOf)));
  const now = new Map(after.services.map((each) => [keyOf(each), each]));
  const held = before.services.filter(isHeld).map((was): ServedService => {
    const is = now.get(keyOf(was));
    const exposures = was.exposures.filter((exposure) => !taken.has(siteOf(exposure)));
    if (!is) return { ...was, exposures };
    const access = is.access.kind === was.access.kind && is.access.kind === 'keys' ? is.access : was.access;
    const certificate = was.certificate === undefined ? undefined : (is.certificate ?? was.certificate);
    return { ...was, exposures, backends: is.backends, access, certificate };
  });
  return { services: [...free, ...held].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)) };
}
