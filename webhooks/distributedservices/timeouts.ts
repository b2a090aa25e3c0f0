/** Warnings of how long a request may take: of answers that come late, and of requests that are sent again meanwhile. */
import { usesGateway } from '../../src/model/gateway.ts';
import { exposures, unreadable } from './gateway.ts';
import { durationOf, type Rule } from './rule.ts';
import type { Subject } from './subject.ts';

const minute = 60_000;
const defaultKeepAlive = '30s';
/** Few clients wait longer for the first byte. */
const patience = 5 * minute;
/** Of Ollama. */
const modelPort = 11434;

export const timeoutWarnings: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.advanced.timeout.request',
    states: 'a time of requests where the server cannot see any',
    broken: (s) => s.timeout.request !== undefined && unreadable(s) !== undefined,
    message: 'is not used: what passes are connections, of which no requests are known; remove it',
  },
  {
    id: 'W-1',
    path: 'spec.advanced.timeout.request',
    states: 'answers that begin after a minute, on a plain frp server',
    broken: (s) => isPlainHttp(s) && ((durationOf(s.timeout.request) ?? 0) > minute || isModel(s)),
    message:
      "is not applied: a plain frp server answers 504 after its own vhostHTTPTimeout, 60 s by default; raise that in frps' configuration",
  },
  {
    id: 'design',
    path: 'spec.advanced.timeout.request',
    states: 'a language model, by its name or port 11434, whose answers must begin within a minute',
    broken: (s) => isRead(s) && s.timeout.request === undefined && isModel(s) && keepAliveOf(s) < minute,
    message: (s) =>
      `an answer that begins after ${s.timeout.keepAlive ?? defaultKeepAlive} is cut: POST gets 504, and GET is sent again. Set it, such as 10m, or annotate the Pods with frp.io/profile: ollama`,
  },
  {
    id: 'design',
    path: 'spec.advanced.retry',
    states: 'attempts that take longer together than clients wait, five minutes',
    broken: (s) => isRead(s) && s.timeout.request === undefined && s.retry?.enabled !== false && keepAliveOf(s) * attemptsOf(s) > patience,
    message: (s) =>
      `a request that no backend answers is sent ${attemptsOf(s)} times, ${s.timeout.keepAlive} each, which few clients wait for; set spec.advanced.timeout.request, after which nobody tries again, or a lower maxAttempts`,
  },
];

const keepAliveOf = ({ timeout }: Subject): number => durationOf(timeout.keepAlive ?? defaultKeepAlive) ?? 0;
const attemptsOf = ({ retry }: Subject): number => Number(retry?.maxAttempts ?? 3);

/** Whether the gateway sees its requests. */
const isRead = (s: Subject): boolean => s.serviceType !== undefined && usesGateway(s.spec, s.config) && unreadable(s) === undefined;
const isPlainHttp = (s: Subject): boolean => !usesGateway(s.spec, s.config) && exposures(s).some(({ kind }) => kind === 'http');

function isModel({ name, discovery, endpoints }: Subject): boolean {
  const words = name.split('-');
  return (
    words.some((word) => ['ollama', 'llm', 'vllm', 'llama'].includes(word)) ||
    discovery?.port === modelPort ||
    (endpoints ?? []).some(({ port }) => port === modelPort)
  );
}
