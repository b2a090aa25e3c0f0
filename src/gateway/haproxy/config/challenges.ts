/**
 * Challenges of ACME over http (RFC 8555, 8.3): the gateway answers those that it knows by itself, before anything that could
 * stand in an authority's way. Of others no service that asks who its users are sees one: its path would be a way around.
 */
import { isChallengeAnswer } from '../../../model/users-certificate.ts';
import { hostPattern } from './host-maps.ts';
import { answer, when } from './escape.ts';
import type { ServiceConfig } from './service-config.ts';

export const challengesMap = 'maps/challenges.map';

const isChallenge = '{ var(txn.token) -m found }';

/**
 * Of the frontend of the http port, once txn.host is known and before anything is looked up by it. Sets txn.token where the
 * request is one of an authority.
 */
export const challengeRules: readonly string[] = [
  "http-request set-var(txn.token) path,field(4,/) if { path_beg /.well-known/acme-challenge/ } { method GET HEAD } { path -m reg '^/\\.well-known/acme-challenge/[A-Za-z0-9_-]{1,128}$' }",
  `http-request set-var(txn.answer) var(txn.host),concat(/,txn.token),map_str(${challengesMap}) if ${isChallenge}`,
  'http-request return status 200 content-type text/plain hdr Cache-Control no-store lf-string %[var(txn.answer)] if { var(txn.answer) -m found }',
];

/** Condition: the request is none of an authority. */
export const noChallenge = '!{ var(txn.token) -m found }';

/** Before the rules that say who may use a service. @param here condition of every rule */
export const unknownChallenge = (here: string | undefined): string =>
  answer(404, 'no certificate is being issued for this host by such a challenge') + when(here, isChallenge);

/** Of one service. */
const mostChallenges = 64;

/** Text of the map: `host/token key`, of services that have their hosts. */
export function challengeLines(services: readonly ServiceConfig[]): string {
  const lines = new Map<string, string>();
  for (const { challenges = {}, exposures } of services) {
    const answers = Object.entries(challenges).filter(([token, key]) => isChallengeAnswer(token, key));
    if (answers.length === 0) continue;
    for (const exposure of exposures)
      if ('host' in exposure && hostPattern(exposure.host) && !exposure.host.startsWith('*.'))
        for (const [token, key] of answers.slice(0, mostChallenges)) lines.set(`${exposure.host}/${token}`, key);
  }
  return [...lines]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([site, key]) => `${site} ${key}\n`)
    .join('');
}
