/** Where users reach a proxy, as `expose` of one or several services: a service has one host, one path or one port. */
import { domainToASCII } from 'node:url';
import type { Assumptions, Spec } from './draft.ts';
import type { Fields } from './fields.ts';
import type { Notes } from './findings.ts';
import { unexposable } from '../../webhooks/distributedservices/paths.ts';
import { isPort } from './addresses.ts';

export type Exposed = Pick<Spec, 'serviceType' | 'expose'>;
type Expose = { -readonly [Key in keyof NonNullable<Spec['expose']>]: NonNullable<Spec['expose']>[Key] };

const hostPattern = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const namePattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const pathPattern = /^\/([A-Za-z0-9_.~!$&'()+,=:@/-]|%[0-9a-fA-F]{2})*$/;

/** None, with a finding, for a proxy whose port nobody can have, or nobody picks. */
export function byPort(type: 'tcp' | 'udp', fields: Fields, notes: Notes): Exposed[] {
  const port = fields.number('remotePort') ?? 0;
  if (isPort(port)) return [{ serviceType: type, expose: { type: 'port', port } }];
  if (port === 0 && type === 'tcp') {
    notes.todo(
      'remotePort',
      'frps chose a port at each start. With the gateway a port of 30000 to 32767 is picked once and kept, and the status tells it: kubectl get dsvc, column ENDPOINT. A plain frp server does not do that: where that is what you have, write a port and leave spec.gateway out',
    );
    return [{ serviceType: type, expose: { type: 'port', port } }];
  }
  const problem = port === 0 ? 'frps chose a port, and only the gateway does, which serves no udp' : `${String(port)} is no port`;
  notes.lost('remotePort', `${problem}: choose one, write it there, and run migrate again`);
  return [];
}

/** The hosts of a proxy, one service each; a subdomain goes with the first. */
export function byHost(fields: Fields, { baseDomain }: Assumptions, notes: Notes): Expose[] {
  const domains = fields.texts('customDomains').map((domain) => asHost(domain, 'customDomains', notes));
  const exposes: Expose[] = [...new Set(domains)].flatMap((domain) => {
    if (domain.length <= 253 && hostPattern.test(domain)) return [{ domain }];
    notes.lost('customDomains', `${JSON.stringify(domain)} is no host name for spec.expose.domain; name the host that users ask for`);
    return [];
  });
  const given = fields.text('subdomain');
  const subdomain = given === undefined ? undefined : asHost(given, 'subdomain', notes);
  if (subdomain === undefined) return exposes;
  if (subdomain.length > 63 || !namePattern.test(subdomain))
    notes.lost('subdomain', `${JSON.stringify(subdomain)} is no name for spec.expose.subdomain; choose another`);
  else if (baseDomain === undefined)
    notes.lost(
      'subdomain',
      `"${subdomain}" is below a domain that only frps knows: run migrate with --base-domain, and subDomainHost of frps' configuration`,
    );
  else if (exposes.length > 0) exposes[0]!.subdomain = subdomain;
  else exposes.push({ type: 'subdomain', subdomain });
  return exposes;
}

/** As users' programs ask for it: in small letters, without the dot of the root, in the ASCII form of IDNA. */
function asHost(written: string, field: string, notes: Notes): string {
  const name = written.replace(/\.$/, '').toLowerCase();
  // What is no part of a name alone would be read as a part of an address.
  const isForeign = /[^\x00-\x7f]/.test(name) && !/[\s%/@:?#[\]\\]/.test(name);
  const host = (isForeign && domainToASCII(name)) || name;
  if (host !== written && hostPattern.test(host))
    notes.differs(field, `${JSON.stringify(written)} is written ${host}, as browsers ask for it`);
  return host;
}

/** Each host with each path. */
export function byPath(hosts: readonly Expose[], fields: Fields, notes: Notes): Expose[] {
  const locations = [...new Set(fields.texts('locations'))];
  const paths = locations.flatMap((location) => {
    if (location === '') return [''];
    // frp compares with the decoded path.
    const path = encodeURI(location.toWellFormed());
    if (pathPattern.test(path) && path.length <= 1024 && unexposable(path) === undefined) return [path];
    const problem = location.startsWith('/')
      ? 'has characters or segments that spec.expose.path does not take'
      : 'matches no request, because it does not begin with /';
    notes.lost('locations', `${JSON.stringify(location)} ${problem}; expose a path above it, or give the part a host name of its own`);
    return [];
  });
  if (locations.length === 0) return [...hosts];
  return paths.flatMap((path) => hosts.map((expose) => ({ ...expose, ...(path !== '' && path !== '/' && { path }) })));
}
