/** What -f names, read: configurations of frpc with the files that they include, and manifests. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../errors.ts';
import { filesOf, objectsOf, parseManifests, readText, type ManifestObject } from '../manifests/read.ts';
import { isObject, type JsonObject } from '../model/json.ts';
import { Notes, type Finding } from './findings.ts';
import { matchesGlob } from './glob.ts';
import { heldTexts, isOfServer } from './held.ts';
import type { ClientObjects } from './legacy.ts';
import { readClient, type Environment } from './parse.ts';
import { noValue } from './template.ts';

/** One configuration of frpc, with what it includes. */
export interface ClientFile extends ClientObjects {
  file: string;
  findings: Finding[];
  /** of frps; nothing of it is read */
  isServer?: true;
}

export interface Loaded {
  clients: ClientFile[];
  manifests: ManifestObject[];
}

const endings = ['.toml', '.ini', '.yaml', '.yml', '.json'];
const largestFile = 1024 * 1024;
const mostFiles = 500;
const mostProxies = 10_000;

/** @param locations files, directories, or - for standard input @throws UserError for what cannot be read */
export function load(locations: readonly string[], environment: Environment): Loaded {
  const files = [...new Set(locations.flatMap((location) => filesOf(location, endings)))];
  if (files.length > mostFiles) throw new UserError(`${files.length} files are more than ${mostFiles}; name fewer with -f`);
  const included = new Set<string>();
  // In a directory, a file that another one above or beside it includes is a part of that one.
  const byDepth = files.toSorted((a, b) => depthOf(a) - depthOf(b));
  const loaded = byDepth.map((file) => {
    const isPart = !locations.includes(file) && included.has(path.resolve(file));
    return isPart ? { clients: [], manifests: [] } : loadFile(file, readBounded(file), environment, included);
  });
  return { clients: loaded.flatMap(({ clients }) => clients), manifests: loaded.flatMap(({ manifests }) => manifests) };
}

const depthOf = (file: string): number => file.split(path.sep).length;

function loadFile(file: string, text: string, environment: Environment, included: Set<string>): Loaded {
  if (!/^[ \t{]{0,20}["']?apiVersion["']?[ \t]{0,9}:/m.test(text))
    return { clients: [loadClient(file, text, environment, included)], manifests: [] };
  const manifests = parseManifests(file, text).flatMap(objectsOf);
  const held = manifests.flatMap(({ value }) => clientsIn(value, file, environment));
  return { clients: held, manifests };
}

/** Configurations of frpc that an object holds. */
function clientsIn(object: JsonObject, file: string, environment: Environment): ClientFile[] {
  const { kind, metadata } = object;
  const name = isObject(metadata) ? String(metadata.name) : '';
  return heldTexts(object).map(([key, text]) => loadClient(`${file} (${String(kind)}/${name}) ${key}`, text, environment, undefined));
}

/** @param included undefined where no file can be included */
function loadClient(file: string, text: string, environment: Environment, included: Set<string> | undefined): ClientFile {
  const notes = new Notes();
  if (isOfServer(text)) {
    notes.differs('', 'is a configuration of frps, of which nothing is migrated; its subDomainHost is for --base-domain');
    return { file, common: {}, proxies: [], visitors: [], findings: notes.findings, isServer: true };
  }
  const objects = readClient(file, text, environment, notes);
  const patterns = Array.isArray(objects.common.includes) ? objects.common.includes.filter((item) => typeof item === 'string') : [];
  for (const pattern of patterns) {
    if (!included) notes.lost('includes', `${pattern}: files that are included cannot be read from an object; name them with -f`);
    for (const part of included ? includedFiles(file, pattern, notes) : []) {
      included!.add(path.resolve(part));
      const own = readClient(part, readBounded(part), environment, notes);
      const { includes, ...others } = own.common;
      if (includes !== undefined) notes.differs('includes', `${part} includes files itself, which frp passes over; left out`);
      const keys = Object.keys(others).join(', ');
      if (keys !== '')
        notes.differs('includes', `${part}: of a file that is included frp reads the proxies and visitors alone; left out: ${keys}`);
      objects.proxies.push(...own.proxies);
      objects.visitors.push(...own.visitors);
    }
  }
  if (objects.proxies.length > mostProxies)
    throw new UserError(`${file}: has ${objects.proxies.length} proxies; migrate takes ${mostProxies} at most`);
  // Of the server's address server.ts says what to do.
  for (const field of unsetFields(objects).filter((name) => name !== 'serverAddr'))
    notes.lost(field, 'is made from an environment variable that is not set; set it, or name a file that does with --env-file');
  return { file, ...objects, findings: notes.findings };
}

/** Relative to the file; the last part may have wildcards, as in frp. */
function includedFiles(file: string, pattern: string, notes: Notes): string[] {
  const own = file === '-' || path.isAbsolute(pattern) ? '' : path.dirname(file);
  const directory = path.join(own, path.dirname(pattern));
  const glob = path.basename(pattern);
  let names: string[];
  try {
    names = readdirSync(directory)
      .filter((name) => matchesGlob(name, glob))
      .sort();
  } catch {
    throw new UserError(`${file}: includes ${pattern}: the directory ${path.dirname(pattern)} cannot be read`);
  }
  const found = names.map((name) => path.join(directory, name)).filter((name) => statSync(name, { throwIfNoEntry: false })?.isFile());
  if (found.length > mostFiles) throw new UserError(`${file}: includes ${pattern}: ${found.length} files are more than ${mostFiles}`);
  if (found.length === 0) notes.lost('includes', `${pattern} names no file from here; run migrate where the files are`);
  return found;
}

function readBounded(file: string): string {
  const size = file === '-' ? 0 : (statSync(file, { throwIfNoEntry: false })?.size ?? 0);
  const text = size > largestFile ? '' : readText(file);
  if (size > largestFile || text.length > largestFile) throw new UserError(`${file}: is larger than 1 MiB, which no configuration is`);
  return text;
}

const secretField = /(token|password|secret|secretkey|groupkey|clientsecret)$/i;

/** Fields, without secrets, whose text lacks a variable. */
function unsetFields({ common, proxies, visitors }: ClientObjects): string[] {
  const search = (value: unknown, at: string): string[] => {
    if (typeof value === 'string') return value.includes(noValue) && !secretField.test(at) ? [at] : [];
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([key, item]) => search(item, at === '' ? key : `${at}.${key}`));
  };
  return [...search(common, ''), ...search(proxies, 'proxies'), ...search(visitors, 'visitors')];
}
