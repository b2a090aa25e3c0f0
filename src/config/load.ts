/** Reads the configuration: the environment over a YAML file over the defaults, with every problem told at once. */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type * as z from 'zod';
import { UserError } from '../errors.ts';
import { closestKey } from './keys.ts';
import { configSchema, type Config } from './schema.ts';

/** The message lists every problem, one a line: where it is, what is wrong and what would be right. Never a value. */
export class ConfigError extends UserError {
  override name = 'ConfigError';
}

type Path = readonly PropertyKey[];

/** Environment variables and the configuration key that each stands for. */
const variables: Record<string, Path> = {
  FRPK8S_HOST: ['host'],
  FRPK8S_PORT: ['port'],
  FRPK8S_METRICS_PORT: ['metricsPort'],
  FRPK8S_TLS_CERT_FILE: ['tls', 'certFile'],
  FRPK8S_TLS_KEY_FILE: ['tls', 'keyFile'],
  FRPK8S_SERVICES_DIR: ['servicesDir'],
  FRPK8S_LOG_LEVEL: ['logLevel'],
  FRPK8S_CONTROLLER_SECRETS: ['controller', 'secrets'],
  /** of every Pod, by the kubelet */
  KUBERNETES_SERVICE_HOST: ['connectors', 'apiServer'],
};

/**
 * The configuration of a file and an environment. An empty variable counts as absent, as Kubernetes templates make them.
 * @param file path of a YAML file; undefined: defaults and environment only
 * @throws ConfigError
 */
export function loadConfig(file: string | undefined, environment: NodeJS.ProcessEnv): Config {
  const values = file === undefined ? {} : readValues(file);
  const origins = applyEnvironment(values, environment);
  const result = configSchema.safeParse(values);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => describe(issue, file, origins));
  throw new ConfigError(['the configuration is not valid:', ...problems].join('\n  '));
}

/** The configuration that a text has, without an environment. @param where it is from, for people @throws ConfigError */
export function configFromText(text: string, where: string): Config {
  const result = configSchema.safeParse(valuesIn(text, where));
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => describe(issue, where, new Map()));
  throw new ConfigError(['the configuration is not valid:', ...problems].join('\n  '));
}

function readValues(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read the configuration file ${file}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
  return valuesIn(text, file);
}

function valuesIn(text: string, file: string): Record<string, unknown> {
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    // Only the first line of an error: the others quote the file, where a secret might be.
    const problems = document.errors.map(({ message }) => `${file}: ${message.split('\n', 1)[0]!.replace(/:$/, '')}`);
    throw new ConfigError(['the configuration is not YAML:', ...problems].join('\n  '));
  }
  const values: unknown = document.toJS();
  if (values === null || values === undefined) return {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new ConfigError(`${file}: expected a mapping of configuration keys, such as "logLevel: debug"`);
  }
  return values as Record<string, unknown>;
}

/** Writes the variables into `values`. @returns for each key that came from one, the variable's name */
function applyEnvironment(values: Record<string, unknown>, environment: NodeJS.ProcessEnv): Map<string, string> {
  const origins = new Map<string, string>();
  for (const [variable, path] of Object.entries(variables)) {
    const value = environment[variable];
    if (value === undefined || value === '') continue;
    let target = values;
    for (const key of path.slice(0, -1)) target = (target[key as string] ??= {}) as Record<string, unknown>;
    // Something else than a mapping in the file is a problem of its own, which zod tells.
    if (typeof target === 'object') target[path.at(-1) as string] = isPort(path) && /^[0-9]+$/.test(value) ? Number(value) : value;
    origins.set(path.join('.'), variable);
  }
  return origins;
}

/** The environment has texts only; a port in it is a number, as it must be in the file. */
const isPort = (path: Path): boolean => path[0] === 'port' || path[0] === 'metricsPort';

function describe(issue: z.core.$ZodIssue, file: string | undefined, origins: Map<string, string>): string[] {
  const where = (path: Path) => {
    const variable = origins.get(path.join('.'));
    if (variable !== undefined) return `${variable} (${keyText(path)})`;
    return file === undefined ? keyText(path) : `${file}: ${keyText(path)}`;
  };
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const closest = closestKey(configSchema, issue.path, key);
      return `${where([...issue.path, key])}: there is no such key${closest === undefined ? '' : `; did you mean ${closest}?`}`;
    });
  }
  if (issue.path[0] === 'tls' && issue.path.length === 2 && issue.message.includes('received undefined')) {
    return [missingHalf(issue.path, origins, file)];
  }
  return [`${where(issue.path)}: ${sentence(issue)}`];
}

/** Only one of tls.certFile and tls.keyFile is set. */
function missingHalf(path: Path, origins: Map<string, string>, file: string | undefined): string {
  const other = path[1] === 'certFile' ? 'keyFile' : 'certFile';
  const otherVariable = origins.get(`tls.${other}`);
  const set = otherVariable ?? (file === undefined ? `tls.${other}` : `${file}: tls.${other}`);
  const variable = Object.entries(variables).find(([, key]) => key.join('.') === path.join('.'))![0];
  return `${set} is set without tls.${String(path[1])}; set both (${variable} in the environment), or neither for a self-managed certificate`;
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`;
  if (issue.code === 'invalid_type') return `must be ${kindText[issue.expected] ?? issue.expected}`;
  if (issue.code === 'too_small') return issue.origin === 'number' ? `must be at least ${issue.minimum}` : 'must not be empty';
  if (issue.code === 'too_big') return `must be at most ${issue.maximum}`;
  return issue.message;
}

const kindText: Record<string, string> = {
  number: 'a number',
  int: 'a whole number',
  string: 'a text',
  array: 'a list',
  object: 'a mapping',
  boolean: 'true or false',
};

/** exposure[0].hosts */
function keyText(path: Path): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
}
