/**
 * Headers that a service has changed on the way to its app and back. In the section with the servers, after every rule that
 * looks at what the user sent, so nothing that is set here is taken for something that a user said.
 */
import { logFormat } from './escape.ts';
import type { ServiceConfig } from './service-config.ts';

/** Of a backend in mode http. */
export const requestLines = ({ spec: { expose } }: ServiceConfig): string[] =>
  expose?.hostHeader === undefined ? [] : [`http-request set-header Host ${logFormat(expose.hostHeader)}`];
