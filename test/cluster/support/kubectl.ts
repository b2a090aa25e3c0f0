/** kubectl, as a user has it. Objects go in as JSON and come out parsed. */
import { eventually, must, run, type Outcome } from './run.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what the API server answers has no type here
export type Json = any;
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name?: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [field: string]: unknown;
}

const list = (objects: Manifest[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });

export const kubectl = (...args: string[]): Promise<string> => must('kubectl', args);
export const tryKubectl = (...args: string[]): Promise<Outcome> => run('kubectl', args);

/** `kubectl apply`, of one or several objects at once as from one file. Gives what it printed, warnings included. */
export async function apply(...objects: Manifest[]): Promise<string> {
  const { code, stdout, stderr } = await tryApply(objects);
  if (code !== 0) throw new Error(`kubectl apply: exit ${code}\n${stdout}${stderr}`);
  return stdout + stderr;
}

export const tryApply = (objects: Manifest[], ...options: string[]): Promise<Outcome> =>
  run('kubectl', ['apply', ...options, '-f', '-'], { input: objects.length === 1 ? JSON.stringify(objects[0]) : list(objects) });

/** An object, or the list of those that match, as the API server has it. */
export async function get(namespace: string, kind: string, ...nameOrSelector: string[]): Promise<Json> {
  return JSON.parse(await kubectl('-n', namespace, 'get', kind, ...nameOrSelector, '-o', 'json'));
}

export const items = async (namespace: string, kind: string, ...selector: string[]): Promise<Json[]> =>
  ((await get(namespace, kind, ...selector)) as { items: Json[] }).items;

export const rolledOut = (namespace: string, deployment: string): Promise<string> =>
  kubectl('-n', namespace, 'rollout', 'status', `deployment/${deployment}`, '--timeout=120s');

export const scale = (namespace: string, deployment: string, replicas: number): Promise<string> =>
  kubectl('-n', namespace, 'scale', `deployment/${deployment}`, `--replicas=${replicas}`);

/** Waits until an object is gone. */
export const gone = (namespace: string, kind: string, ...nameOrSelector: string[]): Promise<string> =>
  kubectl('-n', namespace, 'wait', '--for=delete', kind, ...nameOrSelector, '--timeout=120s');

/** Waits until no Pod of an app is ending: it would go on by what it knew. */
export const noneEnding = (namespace: string, app: string): Promise<void> =>
  eventually(`no ${app} that is ending`, async () => {
    const ending = (await items(namespace, 'pod', '-l', `app=${app}`)).filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
    if (ending.length > 0) throw new Error(`still ending: ${ending.map(({ metadata }) => String(metadata.name)).join(', ')}`);
  });
