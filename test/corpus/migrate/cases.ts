/** The corpus of `frp-k8s migrate`: inputs, and what is assumed for each. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Assumptions } from '../../../src/migrate/draft.ts';
import { load, type Loaded } from '../../../src/migrate/load.ts';
import { migrate, type Migration } from '../../../src/migrate/migrate.ts';
import { documentsOf } from '../../../src/migrate/write.ts';

export interface MigrateCase {
  /** name of the input */
  name: string;
  /** relative to the working directory */
  location: string;
  assumptions: Assumptions;
}

const here = import.meta.dirname;
const inputs = path.join(here, 'inputs');

const variables = {
  FRP_SERVER: 'vps.example.com',
  FRP_PORT: '7000',
  FRP_TOKEN: 'tok-3fa9c1',
  FRP_USER: 'ann',
  FRP_DOMAIN: 'ann.example.com',
  SSH_PORT: '6022',
};

/** Every secret of the inputs. */
export const secrets = [
  'tok-3fa9c1',
  'gk-5512aa',
  'sk-90fe12',
  'pw-77be21',
  'cs-41dd02',
  'mt-6610fe',
  '12345678',
  'abcdefg',
  'your-secret-key',
];

const assumed: Record<string, Partial<Assumptions>> = {
  'home-assistant-subdomain.ini': { baseDomain: 'home.example.com' },
  'frp-frpc_full_example.toml': { baseDomain: 'frps.com' },
  'synology.ini': { namespace: 'home' },
  'ftp-passive.ini': { localHost: '192.168.1.10' },
  'minecraft.toml': { localHost: '192.168.1.10', namespace: 'games' },
};

/** In a directory, the configuration of frpc is what includes the others. */
const fileOf = (name: string): string =>
  [`${name}/frpc.toml`, `${name}/frpc.ini`].find((file) => existsSync(path.join(inputs, file))) ?? name;

export const migrateCases: readonly MigrateCase[] = readdirSync(inputs)
  .sort()
  .map((name) => ({
    name,
    location: path.relative('.', path.join(inputs, fileOf(name))),
    assumptions: { namespace: undefined, baseDomain: undefined, localHost: undefined, ...assumed[name] },
  }));

export const loaded = ({ location }: MigrateCase): Loaded => load([location], { variables });

const migrations = new Map<MigrateCase, Migration>();

export function migrated(example: MigrateCase): Migration {
  const made = migrations.get(example) ?? migrate(loaded(example), example.assumptions);
  migrations.set(example, made);
  return made;
}

/** The printed documents, with the input by its name alone. */
export const printed = (example: MigrateCase): string =>
  documentsOf(migrated(example)).replaceAll(example.location, path.basename(example.location));

export const expectedPath = ({ name }: MigrateCase): string => path.join(here, 'expected', `${name}.yaml`);

interface FrpReading {
  proxies: Record<string, unknown>[];
  visitors: Record<string, unknown>[];
}

/** What frp itself reads; undefined for what it refuses, and for manifests. */
export function frpReading({ location }: MigrateCase): FrpReading | undefined {
  const file = path.join(here, 'read-by-frp', `${path.relative(inputs, location).replaceAll('/', '_')}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as FrpReading) : undefined;
}
