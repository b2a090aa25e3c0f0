/** frp's INI in the shape of its newer configuration, so that one set of rules reads both (frp pkg/config/legacy). */
import type { JsonObject } from '../model/json.ts';
import type { Notes } from './findings.ts';
import type { IniFile, IniSection } from './ini.ts';
import { commonKeys, pluginKeys, proxyKeys, visitorKeys, type Key } from './legacy-keys.ts';
import { numbersOf } from './ranges.ts';

export interface ClientObjects {
  common: JsonObject;
  proxies: JsonObject[];
  visitors: JsonObject[];
}

const trues = new Set(['1', 't', 'T', 'true', 'TRUE', 'True', 'YES', 'yes', 'Yes', 'y', 'ON', 'on', 'On']);
const falses = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False', 'NO', 'no', 'No', 'n', 'OFF', 'off', 'Off']);

/** Read elsewhere. */
const known = new Set(['role', 'name', 'authenticate_heartbeats', 'authenticate_new_work_conns']);

/** Section `[common]`; frp does not load a file without one. */
export const hasCommon = ({ sections }: IniFile): boolean => sections.has('common');

export function fromIni({ sections }: IniFile, notes: Notes): ClientObjects {
  const common = sections.get('common');
  const result: ClientObjects = { common: common ? commonOf(common, notes) : {}, proxies: [], visitors: [] };
  const stray = [...sections.get('DEFAULT')!.own.keys()];
  if (stray.length > 0) notes.differs(stray.join(', '), 'stands above the first section, where frp does not look; left out');
  for (const [name, section] of sections) {
    if (name === 'common' || name === 'DEFAULT') continue;
    if (!name.startsWith('range:')) addSection(result, name, section, notes);
    else for (const [single, own] of rangeOf(name, section, notes)) addSection(result, single, own, notes);
  }
  return result;
}

function addSection(result: ClientObjects, name: string, section: IniSection, notes: Notes): void {
  if (section.get('role') === 'visitor') result.visitors.push(objectOf(section, visitorKeys, [], `[${name}] `, { name }, notes));
  else result.proxies.push(proxyOf(name, section, notes));
}

function commonOf(section: IniSection, notes: Notes): JsonObject {
  const object = objectOf(section, commonKeys, ['meta_', 'oidc_additional_'], '[common] ', {}, notes);
  const additional = withPrefix(section, 'oidc_additional_');
  if (additional) put(object, 'auth.oidc.additionalEndpointParams', additional);
  const scopes = { authenticate_heartbeats: 'HeartBeats', authenticate_new_work_conns: 'NewWorkConns' };
  const wanted = Object.entries(scopes).filter(([key]) => trues.has(section.get(key) ?? ''));
  if (wanted.length > 0)
    put(
      object,
      'auth.additionalScopes',
      wanted.map(([, scope]) => scope),
    );
  return object;
}

function proxyOf(name: string, section: IniSection, notes: Notes): JsonObject {
  const type = section.get('type') || 'tcp';
  const prefixes = ['meta_', 'plugin_', ...(type === 'http' ? ['header_'] : [])];
  const object = objectOf(section, proxyKeys[type] ?? proxyKeys.tcp!, prefixes, `[${name}] `, { name, type }, notes);
  const headers = type === 'http' ? withPrefix(section, 'header_') : undefined;
  if (headers) put(object, 'requestHeaders.set', headers);
  const plugin = section.get('plugin') ? withPrefix(section, 'plugin_') : undefined;
  for (const [key, value] of Object.entries(plugin ?? {})) {
    const known = Object.hasOwn(pluginKeys, key) ? pluginKeys[key] : undefined;
    if (known !== undefined) put(object, `plugin.${known}`, value);
    else if (key.startsWith('header_')) putIn(object, ['plugin', 'requestHeaders', 'set', key.slice('header_'.length)], value);
    else notes.differs(`[${name}] plugin_${key}`, 'is no parameter of a plugin of frp; left out');
  }
  return object;
}

/** The keys of a section by their newer paths. What cannot be read as its kind counts as not set, as for frp. */
function objectOf(
  section: IniSection,
  keys: Readonly<Record<string, Key>>,
  prefixes: readonly string[],
  at: string,
  object: JsonObject,
  notes: Notes,
): JsonObject {
  for (const key of section.keys()) {
    if (prefixes.some((prefix) => key.startsWith(prefix))) continue;
    const text = section.get(key) ?? '';
    const entry = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (!entry) {
      if (!known.has(key)) notes.differs(`${at}${key}`, 'has no meaning for frp there; left out');
      continue;
    }
    const value = valueOf(text, entry[1]);
    if (value !== undefined) put(object, entry[0], value);
    else if (text !== '') notes.differs(`${at}${key}`, 'is not what frp expects there, so it counts as not set');
  }
  const metadatas = prefixes.includes('meta_') ? withPrefix(section, 'meta_') : undefined;
  if (metadatas) object.metadatas = metadatas;
  return object;
}

function valueOf(text: string, kind: Key[1]): unknown {
  if (kind === 'text') return text;
  if (kind === 'number') return /^[-+]?[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
  if (kind === 'flag') return trues.has(text) ? true : falses.has(text) ? false : undefined;
  const items = text.split(',').map((item) => item.trim());
  return items.filter((item) => item !== '');
}

/** Without the keys of sections above, as frp has it. */
function withPrefix(section: IniSection, prefix: string): Record<string, string> | undefined {
  const found = [...section.own.keys()].filter((key) => key.startsWith(prefix));
  if (found.length === 0) return undefined;
  return Object.fromEntries(found.map((key) => [key.slice(prefix.length), section.get(key) ?? '']));
}

const put = (object: JsonObject, path: string, value: unknown): void => putIn(object, path.split('.'), value);

function putIn(object: JsonObject, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  const own = Object.hasOwn(object, name) ? (object[name] as JsonObject) : {};
  // Not by assignment, for which a key "__proto__" would be the prototype.
  if (rest.length > 0) putIn(own, rest, value);
  Object.defineProperty(object, name, { value: rest.length > 0 ? own : value, enumerable: true, configurable: true, writable: true });
}

/** `[range:x]`: a section for each pair of ports, named x_0, x_1 and so on. */
function rangeOf(name: string, section: IniSection, notes: Notes): [name: string, section: IniSection][] {
  const prefix = name.slice('range:'.length).trim();
  const [local, remote] = ['local_port', 'remote_port'].map((key) => numbersOf(section.get(key) ?? ''));
  if (!local || !remote || local.length !== remote.length) {
    notes.lost(`[${name}]`, 'needs as many numbers in local_port as in remote_port, such as 6000-6005,6007; frp refuses it too');
    return [];
  }
  return local.map((port, index) => [`${prefix}_${index}`, section.with({ local_port: String(port), remote_port: String(remote[index]) })]);
}
