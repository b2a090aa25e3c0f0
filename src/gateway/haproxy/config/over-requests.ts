/**
 * The way of requests to another replica: by a section of this process for each replica, which answers for one that dies with
 * a request in its hands: whether it may be sent again depends on what it was, because an app may have carried it out.
 */
import { tracking, wayTo } from './handover.ts';
import { others, type Replica } from './other-replicas.ts';
import { oneRequest, unservedLines } from './unserved.ts';
import type { UsersSettings } from './rendered.ts';

/** Of a request that may be sent again although a backend has received it. */
export const repeatHeader = 'X-Frp-Repeat';

/** The servers that stand for the other replicas. @param options of each */
export const replicaServers = (settings: UsersSettings, options = ''): string[] =>
  others(settings).map((replica) => `server ${replica.name} unix@${socketTo(replica, settings)}${tracking(replica)}${options}`);

/** What is behind them. @param longest that a request takes, milliseconds */
export const replicaSections = (longest: number, settings: UsersSettings): string[][] =>
  others(settings).map((replica) => [
    `listen frp-ask-${replica.name}`,
    ...[
      'mode http',
      `bind ${socketTo(replica, settings)} mode 600`,
      'no log',
      oneRequest,
      `timeout client ${longest}ms`,
      `timeout server ${longest}ms`,
      'http-reuse never',
      'retries 0',
      `http-request set-var(txn.repeat) bool(true) if { req.hdr(${repeatHeader}) -m found }`,
      `http-request del-header ${repeatHeader}`,
      ...unservedLines('{ var(txn.repeat) -m bool }'),
      'use-server grpc if { req.hdr(content-type) -m beg application/grpc }',
      'use-server http if TRUE',
      `server http ${wayTo(replica, settings)}${tracking(replica)}`,
      `server grpc ${wayTo(replica, settings)}${tracking(replica)} proto h2`,
    ].map((line) => `  ${line}`),
  ]);

const socketTo = ({ name }: Replica, { directory }: UsersSettings): string => `${directory}/ask-${name}.sock`;
