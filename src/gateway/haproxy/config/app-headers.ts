/**
 * Headers that a service has changed on the way to its app and back. In the section with the servers, after every rule that
 * looks at what the user sent, so nothing that is set here is taken for something that a user said; and before what the
 * gateway itself adds to an answer.
 */
import { headerChanges, type Direction } from '../../../model/header-changes.ts';
import { logFormat } from './escape.ts';
import type { ServiceConfig } from './service-config.ts';

/** Of a backend in mode http. */
export const requestHeaderLines = ({ spec }: Pick<ServiceConfig, 'spec'>): string[] => [
  ...(spec.expose?.hostHeader === undefined ? [] : [`http-request set-header Host ${logFormat(spec.expose.hostHeader)}`]),
  ...changeLines(spec, 'request'),
];

export const responseHeaderLines = ({ spec }: Pick<ServiceConfig, 'spec'>): string[] => changeLines(spec, 'response');

function changeLines(spec: ServiceConfig['spec'], direction: Direction): string[] {
  const { set, remove } = headerChanges(spec, direction);
  return [
    ...remove.map((name) => `http-${direction} del-header ${name}`),
    ...set.map(([name, value]) => `http-${direction} set-header ${name} ${logFormat(value)}`),
  ];
}
