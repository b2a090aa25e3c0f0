/** Rules of the headers that a service has changed on the way to its app and back. */
import { changesProblems, isCredential } from '../../src/model/header-changes.ts';
import { isObject, listOf } from '../../src/model/json.ts';
import { usesGateway } from '../../src/model/gateway.ts';
import { exposures, unreadable } from './gateway.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

const unapplied = 'needs the frp-k8s gateway: a plain frp server looks into requests of http by host name only';

export const headerRules: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.expose.hostHeader',
    states: 'for http and grpc services only, and for grpc by host name only with `expose.tls`',
    broken: (s) => s.expose.hostHeader !== undefined && unreadable(s) !== undefined,
    message: (s) => unreadable(s)!,
  },
  {
    id: 'design',
    path: 'spec.expose.headers',
    states: 'for http and grpc services only, and for grpc by host name only with `expose.tls`',
    broken: (s) => changes(s) !== undefined && unreadable(s) !== undefined,
    message: (s) => unreadable(s)!,
  },
  ...(['request', 'response'] as const).map((direction): Rule => ({
    id: 'design',
    path: `spec.expose.headers.${direction}`,
    states: 'headers that may be changed, each once, and 8,000 characters of them',
    broken: (s) => changesProblems(changes(s)?.[direction], direction).length > 0,
    message: (s) => changesProblems(changes(s)?.[direction], direction).slice(0, 3).join('; '),
  })),
];

export const headerWarnings: readonly Rule[] = [
  {
    id: 'W-1',
    path: 'spec.expose.hostHeader',
    states: 'a Host that a plain frp server does not rewrite: of grpc, and of http by port',
    broken: (s) => s.expose.hostHeader !== undefined && unreadable(s) === undefined && isUnreadByFrps(s),
    message: unapplied,
  },
  {
    id: 'W-1',
    path: 'spec.expose.headers',
    states: 'headers that a plain frp server does not set: of grpc, and of http by port',
    broken: (s) => changes(s) !== undefined && unreadable(s) === undefined && isUnreadByFrps(s),
    message: unapplied,
  },
  {
    id: 'W-1',
    path: 'spec.expose.headers.response.remove',
    states: 'headers of answers that a plain frp server does not remove; of requests, the service is not served (`GatewayRequired`)',
    broken: (s) => listOf(responses(s)?.remove).length > 0 && !usesGateway(s.spec, s.config),
    message: 'needs the frp-k8s gateway; a plain frp server removes no header, so users see it. Use set, to put another value in its place',
  },
  {
    id: 'design',
    path: 'spec.expose.headers.request.set',
    states: 'credentials, which everyone who may read the service reads',
    broken: (s) => requestNames(s).some(isCredential),
    message: 'has credentials, which everyone who may read DistributedServices reads; let the app have them from a Secret',
  },
];

const changes = ({ expose }: Subject) => (isObject(expose.headers) ? expose.headers : undefined);
const responses = (subject: Subject) => (isObject(changes(subject)?.response) ? changes(subject)!.response : undefined);
const requestNames = (subject: Subject): string[] => {
  const request = changes(subject)?.request;
  return isObject(request) && isObject(request.set) ? Object.keys(request.set) : [];
};

/** It passes on bytes, without looking for requests in them. */
const isUnreadByFrps = (subject: Subject): boolean =>
  !usesGateway(subject.spec, subject.config) && exposures(subject).some(({ kind }) => kind !== 'http');
