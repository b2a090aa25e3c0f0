/** How a request ended, in one word, from HAProxy's two letters (configuration manual, 8.5), its status and who answered. */
import type { RequestEnd } from '../../model/reasons/requests.ts';
import { overBackend } from '../haproxy/index.ts';
import type { ToldRequest } from './request-line.ts';

/** Who ended it, by the first letter; `P` and `L` are the gateway's own answers. */
const byFirst: Readonly<Record<string, RequestEnd>> = {
  C: 'UserGone',
  c: 'UserTooSlow',
  S: 'BackendFailed',
  s: 'BackendTooSlow',
  R: 'GatewayFailed',
  I: 'GatewayFailed',
  D: 'BackendWithdrawn',
  U: 'BackendWithdrawn',
  K: 'BackendWithdrawn',
};
const byStatus: Readonly<Record<number, RequestEnd>> = {
  401: 'NotAuthenticated',
  403: 'NotAllowed',
  404: 'NotPublished',
  429: 'TooManyRequests',
  502: 'BackendFailed',
  503: 'NoBackend',
  504: 'BackendTooSlow',
};

export const isAnsweredByBackend = ({ http }: ToldRequest): boolean => http?.served?.isAnswered === true;

export function endOf(request: ToldRequest): RequestEnd {
  const { ended, http, section, server } = request;
  const [who = '-', stage = '-'] = ended;
  // No server was reached: it waited for one (Q), or for its connection (C).
  if ((who === 'S' || who === 's') && (stage === 'Q' || stage === 'C')) return 'NoBackend';
  // Of the gateway's rules (LR) one alone answers so (haproxy/config/authentication.ts): no backend was looked for.
  if (who === 'L' && stage === 'R' && http?.status === 503) return 'AccessUnknown';
  const first = byFirst[who];
  if (first !== undefined) return first;
  if (http === undefined) {
    if (section === overBackend) return 'HandedOver';
    return who === 'P' || who === 'L' ? 'NotAllowed' : server === '<NOSRV>' ? 'NoBackend' : 'Completed';
  }
  return isAnsweredByBackend(request) ? 'Completed' : ofGateway(http.status ?? 0);
}

function ofGateway(status: number): RequestEnd {
  const known = byStatus[status];
  if (known !== undefined) return known;
  if (status < 300) return status === 204 ? 'Preflight' : 'ChallengeAnswered';
  if (status < 400) return 'Redirected';
  return status < 500 ? 'BadRequest' : 'GatewayFailed';
}
