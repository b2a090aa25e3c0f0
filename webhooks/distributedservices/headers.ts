/** Rules of the headers that a service has changed on the way to its app: `spec.expose.hostHeader`. */
import { usesGateway } from '../../src/model/gateway.ts';
import { exposures, unreadable } from './gateway.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

const unapplied = 'needs the frp-k8s gateway: a plain frp server rewrites requests of http by host name only';

export const headerRules: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.expose.hostHeader',
    states: 'for http and grpc services only, and for grpc by host name only with `expose.tls`',
    broken: (s) => s.expose.hostHeader !== undefined && unreadable(s) !== undefined,
    message: (s) => unreadable(s)!,
  },
];

export const headerWarnings: readonly Rule[] = [
  {
    id: 'W-1',
    path: 'spec.expose.hostHeader',
    states: 'a Host that a plain frp server does not rewrite: of grpc, and of http by port',
    broken: (s) => s.expose.hostHeader !== undefined && unreadable(s) === undefined && isUnreadByFrps(s),
    message: unapplied,
  },
];

/** It passes on bytes, without looking for requests in them. */
const isUnreadByFrps = (subject: Subject): boolean =>
  !usesGateway(subject.spec, subject.config) && exposures(subject).some(({ kind }) => kind !== 'http');
