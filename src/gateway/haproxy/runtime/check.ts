/** `haproxy -c`: whether HAProxy takes a configuration, by the program that is to run it (manifests/gateway brings it to the agent). */
import { spawn } from 'node:child_process';
import { configFile } from '../config/global.ts';

export type Verdict =
  | { kind: 'valid' }
  | { kind: 'refused'; alerts: readonly Alert[] }
  /** nothing was learned: the program is not there, or was not let run */
  | { kind: 'unknown'; reason: string };

/** What HAProxy says is wrong. */
export interface Alert {
  /** of the configuration, from 1 */
  line: number | undefined;
  /** one sentence, without paths; at most 300 characters */
  text: string;
}

/** @param config path of the configuration */
export type Check = (config: string) => Promise<Verdict>;

/** 2,000 services take two seconds. */
const patienceMs = 30_000;
const outputBytes = 1_000_000;

/** @param command HAProxy, and words before its arguments; default the one on the PATH */
export const checkWith =
  ([program = 'haproxy', ...words]: readonly string[] = []): Check =>
  (config) =>
    new Promise((resolve) => {
      const child = spawn(program, [...words, '-c', '-f', config], { stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        child.kill('SIGKILL');
      }, patienceMs);
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data: Buffer) => {
          if (output.length < outputBytes) output += data.toString();
        });
      child.on('error', (error) => {
        clearTimeout(timer);
        resolve({ kind: 'unknown', reason: error.message });
      });
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        if (isLate) resolve({ kind: 'refused', alerts: [{ line: undefined, text: `it takes more than ${patienceMs / 1000} s to read` }] });
        // Memory that the check may not have says nothing of the configuration.
        else if (signal === 'SIGKILL') resolve({ kind: 'unknown', reason: 'the check was killed' });
        else if (signal !== null)
          resolve({ kind: 'refused', alerts: [{ line: undefined, text: `HAProxy ends with ${signal} when it reads it` }] });
        else resolve(code === 0 ? { kind: 'valid' } : { kind: 'refused', alerts: alertsIn(output) });
      });
    });

const mostAlerts = 200;

/** HAProxy's alerts, readable: without its prefix, paths and the lines that only sum up. */
export function alertsIn(output: string): Alert[] {
  const alerts: Alert[] = [];
  for (const row of output.split('\n')) {
    if (alerts.length === mostAlerts) break;
    const said = /^\[ALERT\][^:]*: (.*)$/.exec(row)?.[1]?.replace(/^config : /, '');
    if (said === undefined || /^(Error\(s\) found|Fatal errors found|parsing \S+ : Error)/.test(said)) continue;
    const line = /\.cfg:([0-9]+)/.exec(said)?.[1];
    alerts.push({ line: line === undefined ? undefined : Number(line), text: shortened(readable(said)) });
  }
  return alerts.length > 0 ? alerts : [{ line: undefined, text: 'HAProxy does not take it and does not say why' }];
}

/** Long lists are in the middle: what HAProxy would take; what it got comes last. */
const shortened = (text: string): string => (text.length <= 300 ? text : `${text.slice(0, 140)} … ${text.slice(-140)}`);

/** Without the places in files, which are ours. */
function readable(said: string): string {
  const words: string[] = [];
  for (const word of said.slice(0, 10_000).split(' ')) {
    if (!word.includes(configFile)) words.push(word);
    else if (/^(parsing|at|in|by)$/.test(words.at(-1) ?? '')) words.pop();
  }
  return words
    .join(' ')
    .replace(/^: /, '')
    .replace(/[\x00-\x1f\x7f]+/g, ' ')
    .trim();
}
