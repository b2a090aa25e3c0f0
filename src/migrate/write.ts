/** A migration as YAML that kubectl takes, with everything else in comments, and as a summary for stderr. */
import { toYaml } from '../manifests/yaml.ts';
import { objectAt, type JsonObject } from '../model/json.ts';
import { annotation } from '../model/names.ts';
import type { Finding, Level } from './findings.ts';
import type { Migration, MigratedService, Remark } from './migrate.ts';

const words: Record<Level, string> = { lost: 'LOST', todo: 'TO DO', differs: 'note' };
const width = 110;

/** The documents: what concerns everything first, then each service with what is to be said of it. */
export function documentsOf(migration: Migration): string {
  const head = [
    ...headOf(migration),
    ...configOf(migration),
    ...podsOf(migration.services),
    ...migration.remarks.flatMap((remark) => remarkOf(remark, filesOf(migration).length === 1)),
  ];
  const documents = [
    comment(head),
    ...migration.services.map((service) => `${comment(serviceHead(service, migration))}${toYaml(service.service)}`),
  ];
  return documents.join('---\n');
}

/** The configuration alone. */
export const configText = ({ config }: Migration): string => (Object.keys(config).length === 0 ? '{}\n' : toYaml(config));

const filesOf = ({ services, remarks }: Migration): string[] => [...new Set([...remarks, ...services].map(({ file }) => file))];

const headOf = (migration: Migration): string[] => [
  `Made by frp-k8s migrate from ${filesOf(migration).join(', ') || 'nothing'}.`,
  'LOST: users do without it until you act. TO DO: a step that is left to you.',
];

function configOf({ config }: Migration): string[] {
  if (Object.keys(config).length === 0) return [];
  return ['', 'Configuration of the installation (docs/reference/configuration.md; alone: -o config):', ...indented(toYaml(config))];
}

const indented = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`);

/** Whether the service says which ports of its Pods there are. */
const hasPorts = ({ service }: MigratedService): boolean => objectAt(service, 'spec', 'expose')?.ports !== undefined;

/** Several services of one port are, as far as can be known, of one app. */
function podsOf(services: readonly MigratedService[]): string[] {
  const byPort = new Map<string, MigratedService[]>();
  for (const service of services.filter(({ ports }) => ports.length > 0))
    for (const port of hasPorts(service) ? [service.ports.join(', ')] : service.ports.map(String))
      byPort.set(port, [...(byPort.get(port) ?? []), service]);
  if (byPort.size === 0) return [];
  const lines = [...byPort].map(([port, own]) => {
    const groups = own.map(({ service }) => nameOf(service)).join(',');
    const needsPort = own.some((each) => each.ports.length > 1 && !hasPorts(each));
    return `  ${`${port.includes(',') ? 'ports' : 'port'} ${port}:`.padEnd(11)} ${annotation.group}: ${groups}${needsPort ? `   ${annotation.port}: "${port}"` : ''}`;
  });
  return [
    '',
    ...wrapped(
      'What listened on the machine of frpc is a Pod now, with this annotation on its Pod template. For what stays on a machine, run migrate again with --local-host, and the address by which Pods reach it. By the port that the app listens on; a Pod with several of them carries all their groups, separated by commas:',
      '',
    ),
    ...lines,
  ];
}

function remarkOf({ file, subject, findings }: Remark, isOneFile: boolean): string[] {
  const isMissing = subject !== '' && findings.some(({ level }) => level === 'lost');
  const what = subject === '' ? 'the server, and frpc itself' : `${subject}${isMissing ? ' is not migrated' : ''}`;
  return ['', `${isOneFile ? '' : `${file}: `}${what}:`, ...findings.flatMap(linesOf)];
}

function serviceHead({ file, proxies, findings }: MigratedService, migration: Migration): string[] {
  const where = filesOf(migration).length === 1 ? '' : `${file}: `;
  const from =
    proxies.length === 0 ? where.replace(/: $/, '') : `${where}proxy ${proxies.map((proxy) => JSON.stringify(proxy)).join(', ')}`;
  return [...(from === '' ? [] : [from]), ...findings.flatMap(linesOf)];
}

function linesOf({ level, field, message }: Finding): string[] {
  return wrapped(`- ${words[level]}: ${field === '' ? '' : `${field}: `}${message}`);
}

/** Broken between words; what follows is indented. */
function wrapped(text: string, indent = '  '): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Nothing of a configuration can end a comment: characters that YAML takes for the end of a line are left out. */
const comment = (lines: readonly string[]): string =>
  lines.map((line) => `# ${line.replaceAll(/[\0-\x1f\x7f-\x9f\u2028\u2029\ufeff]/g, ' ')}`.trimEnd() + '\n').join('');

/** For stderr: numbers, and what is lost. What to do about it is in the documents. */
export function summaryOf(migration: Migration): string {
  const { services, remarks } = migration;
  const isOneFile = filesOf(migration).length === 1;
  const ofServices = services.map(({ file, service, findings }) => ({
    file,
    subject: `DistributedService "${nameOf(service)}"`,
    findings,
  }));
  const all = [...remarks, ...ofServices];
  const count = (level: Level) => all.flatMap(({ findings }) => findings).filter((finding) => finding.level === level).length;
  const lost = all.flatMap(({ file, subject, findings }) => {
    const fields = findings.filter(({ level }) => level === 'lost').map(({ field }) => field || 'all of it');
    return fields.length === 0
      ? []
      : [
          `lost: ${[...(isOneFile ? [] : [file]), ...(subject ? [subject] : []), fields.join(', ')].join(': ')}
`,
        ];
  });
  const plural = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  const numbers = `${plural(services.length, 'DistributedService')}: ${count('lost')} lost, ${count('todo')} to do, ${plural(count('differs'), 'note')}`;
  return `${lost.join('')}${numbers}${count('lost') > 0 ? '; what to do about it is in the comments' : ''}
`;
}

const nameOf = ({ metadata }: JsonObject): string => (metadata as { name: string }).name;

export const isLossy = ({ services, remarks }: Migration): boolean =>
  [...services, ...remarks].some(({ findings }) => findings.some(({ level }) => level === 'lost'));
