/** The keys of frp's configuration as its Go structures have them: the tags of `pkg/config/v1`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

/** The version that the tables of keys were written by. */
const version = 'v0.71.0';

const modules = process.env.GOMODCACHE ?? path.join(process.env.GOPATH ?? path.join(homedir(), 'go'), 'pkg', 'mod');

/** The folder of frp's structures in Go's module cache; undefined where nobody has fetched that version. */
export function frpSources(): string | undefined {
  const folder = path.join(modules, 'github.com', 'fatedier', `frp@${version}`, 'pkg', 'config', 'v1');
  return existsSync(folder) ? folder : undefined;
}

/** Structures whose keys are told of as one: lists, maps, and what is a table of its own. */
const whole = [
  'WebServerConfig',
  'StoreConfig',
  'VirtualNetConfig',
  'AuthOIDCClientConfig',
  'ValueSource',
  'NatTraversalConfig',
  'QUICOptions',
];

/** @returns a function that gives a structure's keys by their paths, such as `transport.tls.enable`, in order */
export function keysIn(folder: string): (structure: string) => string[] {
  const text = readdirSync(folder)
    .filter((name) => name.endsWith('.go') && !name.endsWith('_test.go'))
    .map((name) => readFileSync(path.join(folder, name), 'utf8'))
    .join('\n');
  const bodies = new Map([...text.matchAll(/^type (\w+) struct \{\n([^]*?)^\}/gm)].map(([, name, body]) => [name!, body!]));
  const keysOf = (structure: string): string[] =>
    bodies
      .get(structure)!
      .split('\n')
      .flatMap((line): string[] => {
        const embedded = /^\t(\w+)$/.exec(line)?.[1];
        if (embedded !== undefined) return keysOf(embedded);
        const [, type = '', key] = /^\t\w+\s+(\S+)\s+`json:"(\w+)/.exec(line) ?? [];
        if (key === undefined) return [];
        const inner = type.replace(/^\*/, '');
        return bodies.has(inner) && !whole.includes(inner) && !/^Typed/.test(inner) ? keysOf(inner).map((each) => `${key}.${each}`) : [key];
      });
  return (structure) => [...new Set(keysOf(structure))].sort();
}
