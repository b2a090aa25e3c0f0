/**
 * Headers that a service has changed on the way to its app and back. In the section with the servers, after every rule that
 * looks at what the user sent, so nothing that is set here is taken for something that a user said; and before what the
 * gateway itself adds to an answer.
 */
import { folded, headerChanges, hostHeaderOf } from '../../../model/header-changes.ts';
import { logFormat, quote } from './escape.ts';
import type { ServiceConfig } from './service-config.ts';

/** Of a backend in mode http. What goes, goes in every spelling that CGI and its descendants read as the same name. */
export function requestHeaderLines({ spec }: Pick<ServiceConfig, 'spec'>): string[] {
  const host = hostHeaderOf(spec);
  const { set, remove } = headerChanges(spec, 'request');
  return [
    ...(host === undefined ? [] : [`http-request set-header Host ${logFormat(host)}`]),
    ...[...remove, ...set.map(([name]) => name)].map((name) => `http-request del-header ${everySpelling(name)}`),
    ...set.map(([name, value]) => `http-request set-header ${name} ${logFormat(value)}`),
  ];
}

export function responseHeaderLines({ spec }: Pick<ServiceConfig, 'spec'>): string[] {
  const { set, remove } = headerChanges(spec, 'response');
  return [
    ...remove.map((name) => `http-response del-header ${name}`),
    ...set.map(([name, value]) => `http-response set-header ${name} ${logFormat(value)}`),
  ];
}

/** Names are in lower case when HAProxy compares them. */
const everySpelling = (name: string): string =>
  folded(name).includes('-') ? `${quote(`^${folded(name).replaceAll('-', '[^a-z0-9]')}$`)} -m reg` : name;
