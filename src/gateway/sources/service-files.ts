/**
 * DistributedServices and Secrets of a directory's YAML and JSON files. Each service is checked and defaulted as applying
 * it to a cluster would, in the order of the files' names. A file with a mistake keeps what it had before.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { validateOffline } from '../../../webhooks/distributedservices/offline.ts';
import type { Config } from '../../config/schema.ts';
import { base64 } from '../../kube/authority-secret.ts';
import type { Secret } from '../../kube/types.ts';
import { asReviewed } from '../../manifests/json.ts';
import { objectsOf, parseManifests } from '../../manifests/read.ts';
import { Claims } from '../../model/claims.ts';
import { defaulted } from '../../model/defaults.ts';
import { describeFinding } from '../../model/findings.ts';
import { isObject, objectAt, type JsonObject } from '../../model/json.ts';
import { kind as serviceKind } from '../../model/names.ts';
import { serviceKey, ServiceStore } from '../../model/store.ts';
import { randomPortNames } from '../../model/random-ports.ts';
import type { DistributedService } from '../../model/types.ts';

export interface ServiceFilesContent {
  services: DistributedService[];
  secrets: Secret[];
  /** each names its file */
  problems: string[];
}

interface FileContent {
  /** of time and size, to see a change without reading */
  stamp: string;
  objects: JsonObject[];
  problem: string | undefined;
}

/** A file that is larger than this is not read. Bytes. */
const mostBytes = 4 * 1024 * 1024;
const mostFiles = 5000;
const namespaceOfNone = 'default';

export class ServiceFiles {
  readonly #directory: string;
  readonly #config: Config;
  #files = new Map<string, FileContent>();
  /** with the directory itself */
  #trouble = '';
  /** what was good of each object, by file and key */
  #good = new Map<string, DistributedService>();

  constructor(directory: string, config: Config) {
    this.#directory = directory;
    this.#config = config;
  }

  /** What there is now; undefined where nothing has changed since the last call. */
  read(): ServiceFilesContent | undefined {
    const problems: string[] = [];
    const names = this.#names(problems);
    let hasChanged = this.#files.size !== names.length;
    const next = new Map<string, FileContent>();
    for (const name of names) {
      const before = this.#files.get(name);
      const stamp = stampOf(path.join(this.#directory, name));
      if (before?.stamp === stamp) next.set(name, before);
      else {
        hasChanged = true;
        next.set(name, { stamp, ...readObjects(path.join(this.#directory, name), before?.objects ?? []) });
      }
    }
    this.#files = next;
    const trouble = problems.join('\n');
    hasChanged ||= trouble !== this.#trouble;
    this.#trouble = trouble;
    return hasChanged ? this.#content(problems) : undefined;
  }

  #names(problems: string[]): string[] {
    try {
      const found = readdirSync(this.#directory, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(ya?ml|json)$/.test(name) && !name.split(path.sep).some((part) => part.startsWith('.')))
        .sort();
      if (found.length > mostFiles)
        problems.push(`${this.#directory} has more than ${mostFiles} files; those after ${found[mostFiles - 1]} are not read`);
      return found.slice(0, mostFiles);
    } catch (error) {
      problems.push(`the directory of services cannot be read and what it had stays: ${(error as Error).message}`);
      return [...this.#files.keys()];
    }
  }

  #content(problems: string[]): ServiceFilesContent {
    const secrets: Secret[] = [];
    const accepted = new ServiceStore();
    const claims = new Claims(accepted, this.#config);
    const good = new Map<string, DistributedService>();
    for (const [file, { objects, problem }] of this.#files) {
      const where = path.join(this.#directory, file);
      if (problem !== undefined) problems.push(`${problem}; what the file had before stays`);
      for (const object of objects) {
        if (object.kind === 'Secret' && object.apiVersion === 'v1') secrets.push(secretOf(object));
        if (object.kind !== serviceKind) continue;
        const { service, findings } = checked(object, this.#config, claims);
        const key = `${file} ${serviceKey(service)}`;
        const kept = findings.length === 0 ? service : this.#good.get(key);
        if (findings.length > 0)
          problems.push(
            ...findings.map((text) => `${where}: ${serviceKind}/${service.metadata.name}: ${text}${kept ? '; it stays as it was' : ''}`),
          );
        if (!kept) continue;
        if (accepted.byKey(serviceKey(kept))) {
          problems.push(`${where}: ${serviceKind}/${service.metadata.name}: another file has it already; take one of them away`);
          continue;
        }
        good.set(key, kept);
        accepted.set(kept);
      }
    }
    claims.close();
    this.#good = good;
    return { services: [...accepted.all()], secrets, problems };
  }
}

function stampOf(file: string): string {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(file);
    return [mtimeMs, ctimeMs, size, ino].join();
  } catch {
    return 'gone';
  }
}

/** @param before what stays where the file cannot be read now */
function readObjects(file: string, before: JsonObject[]): Pick<FileContent, 'objects' | 'problem'> {
  try {
    if (statSync(file).size > mostBytes) throw new Error(`${file}: it is larger than ${mostBytes} bytes; split it`);
    const documents = parseManifests(file, readFileSync(file, 'utf8'));
    return { objects: documents.flatMap(objectsOf).map(({ value }) => asReviewed(value)), problem: undefined };
  } catch (error) {
    return { objects: before, problem: (error as Error).message };
  }
}

/** The version is made of the content, so that a file that is written again with the same text changes nothing. */
function checked(object: JsonObject, config: Config, claims: Claims): { service: DistributedService; findings: string[] } {
  const complete = defaulted(object);
  const metadata = isObject(complete.metadata) ? complete.metadata : {};
  const namespace = typeof metadata.namespace === 'string' && metadata.namespace !== '' ? metadata.namespace : namespaceOfNone;
  const resourceVersion = createHash('sha256').update(JSON.stringify(complete)).digest('hex');
  const service = { ...complete, metadata: { ...metadata, namespace, resourceVersion } } as unknown as DistributedService;
  const { findings } = validateOffline(object, { config, claims, namespace: namespaceOfNone });
  if (findings.length === 0 && randomPortNames(service.spec).length > 0) return { service, findings: [needsController] };
  return { service, findings: findings.map(describeFinding) };
}

const needsController =
  'spec.expose: a port that is 0 is picked by the controller of a cluster, and services from files have none; set a port';

function secretOf(object: JsonObject): Secret {
  const metadata = objectAt(object, 'metadata');
  const own = (key: string) => (typeof metadata?.[key] === 'string' ? metadata[key] : '');
  const texts = (key: string) =>
    Object.entries(objectAt(object, key) ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return {
    metadata: { name: own('name'), namespace: own('namespace') || namespaceOfNone },
    data: Object.fromEntries([...texts('data'), ...texts('stringData').map(([key, value]): [string, string] => [key, base64(value)])]),
  };
}
