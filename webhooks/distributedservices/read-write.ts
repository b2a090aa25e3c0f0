/** Rules of `spec.backends.readWrite`: two ports, and a question that tells the primary from its replicas. */
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

const path = 'spec.backends.readWrite';

export const readWriteRules: readonly Rule[] = [
  {
    id: 'R1.30',
    path,
    states: 'for tcp services only',
    broken: (s) => isAsked(s) && s.serviceType !== undefined && s.serviceType !== 'tcp',
    message: ({ serviceType }) =>
      `is for serviceType tcp, and this is ${serviceType}, which knows no ports for writing and reading; make a tcp service of it, or remove it`,
  },
  {
    id: 'R1.30',
    path: `${path}.readPort`,
    states: 'another one than `writePort`',
    broken: ({ backends: { readWrite } }) => readWrite?.writePort !== undefined && readWrite.writePort === readWrite.readPort,
    message: ({ backends: { readWrite } }) =>
      `is ${readWrite!.readPort}, as writePort: clients say by the port whether they write; set another one`,
  },
  {
    id: 'R1.30',
    path: 'spec.expose',
    states: 'neither ports nor a host name beside `backends.readWrite`',
    broken: (s) => isAsked(s) && addressOf(s) !== undefined,
    message: (s) => {
      const address = addressOf(s);
      const [what, instead] =
        address === 'ports' ? ['several ports', ', and make another service of the ports that have no roles'] : [`a ${address}`, ''];
      return `names ${what}, and users come to writePort and readPort of ${path}; remove spec.expose.${address}${instead}`;
    },
  },
  {
    id: 'R1.30',
    path: 'spec.loadBalancing.healthCheck.enabled',
    states: 'not false beside `backends.readWrite`',
    broken: (s) => isAsked(s) && s.health.enabled === false,
    message: `cannot be false with ${path}: without a check nobody knows which backend is the primary; remove it`,
  },
  {
    id: 'R1.30',
    path: 'spec.loadBalancing.healthCheck.type',
    states: 'none but `tcp`, the default, beside `backends.readWrite`',
    broken: (s) => isAsked(s) && s.health.type !== undefined && s.health.type !== 'tcp',
    message: ({ health }) =>
      `"${health.type}" cannot be used with ${path}, whose roleCheck takes its place; remove it, and set the paths in roleCheck`,
  },
];

export const readWriteWarnings: readonly Rule[] = [
  {
    id: 'R1.30',
    path: `${path}.roleCheck.port`,
    states: 'the port of an endpoint itself',
    broken: (s) => isAsked(s) && (s.endpoints ?? []).some(({ port }) => port === rolePort(s)),
    message: (s) =>
      `${rolePort(s)} is the port that users are sent to; a database does not tell its role over HTTP there. Set the port that does, such as 8008 of Patroni`,
  },
];

const isAsked = ({ backends }: Subject): boolean => typeof backends.readWrite === 'object' && backends.readWrite !== null;

const rolePort = ({ backends }: Subject): number => backends.readWrite?.roleCheck?.port ?? 8008;

const addressOf = ({ expose }: Subject): 'port' | 'ports' | 'domain' | 'subdomain' | undefined =>
  (['port', 'ports', 'domain', 'subdomain'] as const).find((field) => expose[field] !== undefined);
