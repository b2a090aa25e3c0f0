/** What the log tells the agent of requests, for the histograms of how long they take (telemetry/request-log.ts). */
import type { UsersSettings } from './rendered.ts';

/** Requests a second up to which each is told of; above, one in so many, by chance: every tenth would be the same client's again and again. */
const everyBelow = 100;
const oneIn = 10;

/** Of a frontend before the servers: `backend/server Tw Tc Tr Ta weight`, times in milliseconds (configuration manual, 8.2.3). */
export const requestLog = ({ requestLog: target }: UsersSettings): string[] =>
  target === undefined
    ? []
    : [
        `log ${target} format raw local0 info`,
        'log-format "%b/%s %Tw %Tc %Tr %Ta %[var(txn.weight)]"',
        `http-request set-var(txn.weight) int(1) if { fe_req_rate lt ${everyBelow} }`,
        `http-request set-var(txn.weight) int(${oneIn}) if !{ var(txn.weight) -m found } { rand(${oneIn}) eq 0 }`,
        'http-request set-log-level silent if !{ var(txn.weight) -m found }',
      ];
