/** What `frp-k8s check` finds of the thing that is explained, and of what it rests on: in the same words, with the same remedy. */
import { allChecks } from '../diagnose/checks/all.ts';
import type { Finding } from '../diagnose/finding.ts';
import type { Probes } from '../diagnose/probes.ts';
import { runChecks } from '../diagnose/run.ts';
import { textOf } from '../diagnose/say.ts';
import type { Snapshot } from '../diagnose/snapshot.ts';
import { bad, type Explanation } from './explanation.ts';

/** Metrics and requests of users are looked at by `check` alone. */
const asked = allChecks.filter(({ category }) => category !== 'observability');

/** @param explained with a namespace @returns it with the remedies of what it tells, and what it does not tell in a section of its own */
export async function withFindings(explained: Explanation, snapshot: Snapshot, probes: Probes): Promise<Explanation> {
  const { findings } = await runChecks(asked, { snapshot, probes });
  const wrong = findings
    .filter(({ level }) => level === 'error' || level === 'warning')
    .filter((each) => isAbout(each, explained, snapshot));
  const remedies = new Map(wrong.toReversed().map(({ reason, remedy }) => [reason, remedy]));
  const sections = explained.sections.map(({ title, lines }) => ({
    title,
    lines: lines.map((line) => {
      const remedy = line.remedy ?? remedies.get(line.reason ?? '');
      return remedy === undefined ? line : { ...line, remedy };
    }),
  }));
  const told = sections.flatMap(({ lines }) => lines);
  const lines = wrong
    .filter(({ reason, remedy }) => !told.some((line) => line.reason === reason && line.remedy === remedy))
    .map(({ object, message, reason, remedy, level }) => bad(`${object ? `${textOf(object)}: ` : ''}${message}`, reason, remedy, level));
  return { ...explained, sections: [...sections, { title: 'What frp-k8s check finds', lines }] };
}

/** Of the installation all of it; of users' objects what is the subject's, what has made it, and what holds in its whole namespace. */
function isAbout({ object, category }: Finding, { subject }: Explanation, { installation, gateway }: Snapshot): boolean {
  if (!object) return true;
  const { kind, namespace, name } = object;
  if (namespace === undefined) return kind !== 'Namespace' || [subject.namespace, installation.name, gateway.name].includes(name);
  if (namespace === installation.name || namespace === gateway.name) return true;
  if (namespace !== subject.namespace) return false;
  const isMadeBy = (made: string, by: string) => made.startsWith(`${by}-`);
  return (
    category === 'tunnels' ||
    (kind === subject.kind && name === subject.name) ||
    (kind === 'Pod' && isMadeBy(name, subject.name)) ||
    (subject.kind === 'Pod' && isMadeBy(subject.name, name)) ||
    !['Pod', 'Deployment', 'StatefulSet', 'DaemonSet', 'DistributedService'].includes(kind)
  );
}
