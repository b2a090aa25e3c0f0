/** Faults made on purpose: each is found by `frp-k8s check`, told alike by `explain`, and mended by the remedy as it is printed. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../places.ts';
import { items, kubectl, rolledOut, type Manifest } from '../kubectl.ts';
import { deployment, httpService, type App } from '../objects.ts';
import { eventually, must, run } from '../run.ts';

export interface Fault {
  /** what is broken */
  fault: string;
  make: () => Promise<unknown>;
  /** the only one that is said */
  reason: string;
  /** where the remedy is run; default: the repository, as its manifests are named from there */
  cwd?: string;
}

/** Faults of one namespace, one after the other; those of another namespace may be there at the same time. */
export interface Lane {
  namespace: string;
  /** what is well before the first fault; default: `workset(namespace)` */
  objects?: Manifest[];
  faults: readonly Fault[];
}

interface Finding {
  check: string;
  level: string;
  reason: string;
  object?: { kind: string; namespace?: string; name: string };
  message: string;
  remedy?: string;
}
interface Line {
  level: string;
  text: string;
  reason?: string;
  remedy?: string;
}

/** As it is built, where it is: it starts in a third of the time. */
const built = join(root, 'dist/frp-k8s.js');
const program = existsSync(built) ? built : join(root, 'src/main.ts');

/** Name of the service and of the Deployment of a lane. */
export const name = 'checked';
export const hostOf = (namespace: string): string => `${namespace}.example.com`;

/** A Deployment whose Pods end at once. */
export const quickDeployment = (app: App): Manifest =>
  deployment({ ...app, pod: { terminationGracePeriodSeconds: 1, ...(app.pod as object | undefined) } });

export const workset = (namespace: string): Manifest[] => [
  httpService(namespace, name, hostOf(namespace)),
  quickDeployment({ namespace, name, frp: { group: name } }),
];

export async function check(namespace: string, ...options: string[]): Promise<{ code: number; findings: Finding[] }> {
  const { code, stdout, stderr } = await run('node', [program, 'check', '-n', namespace, '-o', 'json', ...options]);
  assert.notEqual(stdout, '', stderr);
  return { code, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings.filter(({ level }) => level !== 'ok') };
}

export const lineOf = ({ check: id, reason, message }: Finding): string => `${id} ${reason}: ${message}`;

/** As a person waits for what the controller and the kubelet have to do. */
export async function isWell(namespace: string): Promise<void> {
  const { code, findings } = await check(namespace, '--wait', '120s');
  assert.deepEqual(findings.map(lineOf), []);
  assert.equal(code, 0);
}

/** What `explain` says of the object that the check names; where that is none of the namespace, of its Deployment. */
async function explained(namespace: string, { object }: Finding): Promise<Line[]> {
  const words: Record<string, string> = { DistributedService: 'service', Deployment: 'deployment', Pod: 'pod' };
  const word = object?.namespace === namespace ? words[object.kind] : undefined;
  const subject = word === undefined ? ['deployment', name] : [word, object!.name];
  const { stdout, stderr } = await run('node', [program, 'explain', ...subject, '-n', namespace, '-o', 'json']);
  assert.notEqual(stdout, '', stderr);
  return (JSON.parse(stdout) as { sections: { lines: Line[] }[] }).sections.flatMap(({ lines }) => lines);
}

/** From the fault to its end. */
export async function isNamedAndMended(namespace: string, { fault, make, reason, cwd = root }: Fault): Promise<void> {
  await make();
  const [first] = await eventually(`the check names ${fault}`, async () => {
    const { findings } = await check(namespace);
    // Pods that start because of the fault are said too, until they have.
    assert.deepEqual([...new Set(findings.map((each) => each.reason))], [reason], findings.map(lineOf).join('\n'));
    return findings;
  });
  const { remedy } = first!;
  await eventually(`explain tells the same of ${fault}`, async () => {
    const lines = await explained(namespace, first!);
    const said = lines.filter((line) => line.reason === reason).map((line) => line.remedy);
    assert.ok(said.includes(remedy), `${reason}, ${remedy}\nis not among\n${lines.map(({ text }) => text).join('\n')}\n${said.join('\n')}`);
  });
  await must('sh', ['-c', remedy!], { cwd });
  // Until the Pods of before are gone all may look well.
  for (const { metadata } of await items(namespace, 'deployment')) await rolledOut(namespace, String(metadata.name));
  await isWell(namespace);
}

/** Changes of the objects of a lane, as kubectl makes them. */
export const changesIn = (namespace: string) => {
  const patch = (kind: string, type: 'merge' | 'json' | 'strategic', change: object, of = name) =>
    kubectl('-n', namespace, 'patch', kind, of, `--type=${type}`, '-p', JSON.stringify(change));
  return {
    /** annotations of the Pod template; null takes one off */
    annotate: (annotations: object) => patch('deployment', 'merge', { spec: { template: { metadata: { annotations } } } }),
    /** of the app's container, beside what it has */
    container: (fields: object) =>
      patch('deployment', 'strategic', { spec: { template: { spec: { containers: [{ name: 'app', ...fields }] } } } }),
    /** of the service */
    spec: (spec: object, of = name) => patch('dsvc', 'merge', { spec }, of),
    patch,
    kubectl: (...args: string[]) => kubectl('-n', namespace, ...args),
  };
};
