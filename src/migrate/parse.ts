/** The text of a configuration as objects: frp's INI, TOML, JSON or YAML, told apart as frp does it (frp pkg/config/load.go). */
import { parse as parseToml, TomlError } from 'smol-toml';
import { UserError } from '../errors.ts';
import { parseJson } from '../manifests/json.ts';
import { parseYaml, YamlError } from '../manifests/yaml.ts';
import { isObject, listOf, type JsonObject } from '../model/json.ts';
import type { Notes } from './findings.ts';
import { firstDocument } from './first-document.ts';
import { IniError, parseIni } from './ini.ts';
import { fromIni, hasCommon, type ClientObjects } from './legacy.ts';
import { shown } from './template-parse.ts';
import { expandTemplate, type Expanded } from './template.ts';

export interface Environment {
  /** variables that templates may read */
  variables: Readonly<Record<string, string | undefined>>;
}

/**
 * The text with its templates expanded, as objects; what is not expanded is told.
 * @throws UserError that names the line, and quotes nothing but templates, without the texts in them
 */
export function readClient(file: string, text: string, environment: Environment, notes: Notes): ClientObjects {
  const { text: main, unset, unknown } = expanded(file, text, environment);
  const passed = unknown.map(({ source, line }) => `${shown(source)} (line ${line})`);
  for (const name of unset) notes.todo(`{{ .Envs.${name} }}`, unsetText(name));
  for (const action of passed)
    notes.lost(
      action,
      'no counterpart: migrate expands environment variables, parseNumberRange and parseNumberRangePair. Write what it stands for',
    );
  try {
    return parseClient(file, main, notes);
  } catch (error) {
    const missing = [...passed, ...unset.map((name) => `the variable ${name}`)].slice(0, 5);
    if (!(error instanceof UserError) || missing.length === 0) throw error;
    throw new UserError(
      `${error.message}. Its template was not expanded whole, which may be why: ${missing.join(', ')}; write what it stands for`,
    );
  }
}

function expanded(file: string, text: string, { variables }: Environment): Expanded {
  try {
    return expandTemplate(text, variables);
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) throw new UserError(`${file}: ${error.message}`);
    throw error;
  }
}

const unsetText = (name: string): string =>
  `${name} is not set; set it, or name a file that does with --env-file, where more than a secret depends on it`;

/** @param text after its templates were expanded @throws UserError that names the line, and quotes nothing */
export function parseClient(file: string, text: string, notes: Notes): ClientObjects {
  if (isIni(file, text)) return ofIni(file, text, notes);
  const value = parseAny(file, text, notes);
  if (!isObject(value)) throw new UserError(`${file}: is no configuration of frpc: it holds no keys`);
  const { proxies, visitors, ...common } = value;
  for (const key of Object.keys(common)) if (key.startsWith('.')) delete common[key];
  return { common, proxies: objects(proxies, 'proxies', notes), visitors: objects(visitors, 'visitors', notes) };
}

function objects(value: unknown, field: string, notes: Notes): JsonObject[] {
  if (value !== undefined && value !== null && !Array.isArray(value))
    notes.lost(field, 'must be a list, such as [[proxies]] in TOML; frp refuses it too');
  const list = listOf(value);
  if (!list.every(isObject)) notes.lost(field, 'must have objects alone; frp refuses it too. What is none is left out');
  return list.filter(isObject);
}

/** frp takes for INI what has a section `[common]`. Without one it takes nothing for it, and what is no TOML is told apart here. */
function isIni(file: string, text: string): boolean {
  if (/^[ \t]*\[common\]/m.test(text)) return true;
  if (/\.(toml|ya?ml|json)$/i.test(file)) return false;
  const isSectioned = /^[ \t]*\[[^[\]\n]{1,200}\][ \t]*$/m.test(text) && !/^[ \t]*\[\[/m.test(text);
  return isSectioned && (/\.ini$/i.test(file) || !isToml(text));
}

function isToml(text: string): boolean {
  try {
    parseToml(text);
    return true;
  } catch {
    return false;
  }
}

function ofIni(file: string, text: string, notes: Notes): ClientObjects {
  try {
    const ini = parseIni(text);
    if (!hasCommon(ini)) notes.differs('[common]', 'is missing, and frp does not load an INI file without it, so the server is not known');
    return fromIni(ini, notes);
  } catch (error) {
    if (error instanceof IniError) throw new UserError(`${file}:${error.line}: not valid INI: ${error.message}`);
    throw error;
  }
}

function parseAny(file: string, text: string, notes: Notes): unknown {
  const isJson = /^\s*\{/.test(text.slice(0, 10_000));
  if (isJson && !/\.(toml|ya?ml)$/i.test(file)) return json(file, text);
  if (/\.ya?ml$/i.test(file)) return yaml(file, text, notes);
  try {
    return parseToml(text, { maxDepth: 100 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const problem = `${file}:${error.line}: not valid TOML: ${error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '')}`;
    if (/\.toml$/i.test(file) || !/^[ \t]*[A-Za-z"'-][\w"' -]{0,100}:/m.test(text)) throw new UserError(problem);
    return yaml(file, text, notes);
  }
}

function json(file: string, text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    throw new UserError(`${file}: not valid JSON`);
  }
}

function yaml(file: string, whole: string, notes: Notes): unknown {
  const { text, furtherLine } = firstDocument(whole);
  if (furtherLine !== undefined)
    notes.differs('', `${file}:${furtherLine}: is of a further YAML document, which frp does not read; left out`);
  try {
    return parseYaml(text.endsWith('\n') ? text : `${text}\n`);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new UserError(`${file}:${text.slice(0, error.offset).split('\n').length}: not valid YAML: ${error.message}`);
  }
}
