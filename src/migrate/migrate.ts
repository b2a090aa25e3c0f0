/** From what was read to DistributedServices that validate, the installation's configuration, and what has no counterpart. */
import * as z from 'zod';
import { validateOffline } from '../../webhooks/distributedservices/offline.ts';
import { configSchema, type Config } from '../config/schema.ts';
import { Claims } from '../model/claims.ts';
import { defaulted } from '../model/defaults.ts';
import { describeFinding } from '../model/findings.ts';
import { equalJson, isObject, type JsonObject } from '../model/json.ts';
import { group as apiGroup, kind } from '../model/names.ts';
import { ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { namespaceOf, type ManifestObject } from '../manifests/read.ts';
import type { Assumptions, ClientPart, Draft, Unserved } from './draft.ts';
import type { Finding } from './findings.ts';
import type { ClientFile, Loaded } from './load.ts';
import { Names } from './names.ts';
import { fromOlder } from './older.ts';
import { draftOf } from './proxy.ts';
import { serverOf, type ServerPart } from './server.ts';
import { servicesOf, type Migrated } from './services.ts';
import { visitorOf } from './visitors.ts';

export interface MigratedService extends Omit<Migrated, 'service'> {
  service: JsonObject;
}

/** What stands for itself in no service. */
export interface Remark {
  file: string;
  /** `proxy "ssh"`; empty: the file */
  subject: string;
  findings: Finding[];
}

export interface Migration {
  /** keys of the installation's configuration */
  config: JsonObject;
  services: MigratedService[];
  remarks: Remark[];
}

export function migrate({ clients, manifests }: Loaded, assumptions: Assumptions): Migration {
  const names = new Names();
  const remarks = passedOver(manifests, clients);
  const servers = clients.map((client) => serverPartOf(client, false));
  const older = manifests.filter(isService).map((object) => olderOf(object, assumptions));
  for (const { services } of older) for (const { service } of services) names.free(String((service.metadata as JsonObject).name));
  const drafts = clients.flatMap((client, index) => {
    const idle = [...client.proxies, ...client.visitors].filter((proxy) => !isStarted(client, proxy));
    if (idle.length > 0) remarks.push({ file: client.file, subject: '', findings: [notStarted(idle)] });
    const { config: server, advanced } = servers[index]!;
    const part = { file: client.file, server: JSON.stringify(server.frps ?? ''), advanced };
    const { drafts, unserved } = draftsOf(client, part, assumptions);
    remarks.push(...unserved.map(({ proxy, notes }) => ({ file: client.file, subject: `proxy "${proxy}"`, findings: notes.findings })));
    remarks.push(...started(client).visitors.map((visitor) => ({ file: client.file, ...visitorOf(visitor) })));
    return drafts;
  });
  const made = servicesOf(drafts, assumptions, names).map((migrated) => ({
    ...migrated,
    service: migrated.service as unknown as JsonObject,
  }));
  const services = [...older.flatMap((one) => one.services), ...made];
  const { valid, refused } = checked(services, configOf(configurationOf(clients, services, assumptions).config), assumptions);
  // What is refused leaves nothing behind.
  const { config, findings } = configurationOf(clients, valid, assumptions);
  return { config, services: valid.map(withExceptions), remarks: [...findings, ...remarks, ...refused] };
}

/** The installation's configuration as the files' servers and the services want it. */
function configurationOf(
  clients: readonly ClientFile[],
  services: readonly MigratedService[],
  { baseDomain }: Assumptions,
): { config: JsonObject; findings: Remark[] } {
  const config: JsonObject = {};
  const findings = clients.flatMap((client): Remark[] => {
    const { file } = client;
    const hasUdp = services.some((migrated) => migrated.file === file && (migrated.service.spec as JsonObject).serviceType === 'udp');
    const server = serverPartOf(client, hasUdp);
    const all = [...client.findings, ...server.findings, ...addTo(config, server.config)];
    return all.length > 0 ? [{ file, subject: '', findings: all }] : [];
  });
  if (baseDomain !== undefined) config.baseDomain = baseDomain;
  const exceptions = services.flatMap((migrated) => migrated.exceptions);
  if (exceptions.length > 0) config.connectors = { allowAddresses: [...new Set(exceptions)].sort() };
  return { config, findings };
}

const serverPartOf = ({ common, isServer }: ClientFile, hasUdp: boolean): ServerPart =>
  isServer ? { config: {}, advanced: {}, findings: [] } : serverOf(common, hasUdp);

function withExceptions(migrated: MigratedService): MigratedService {
  const { exceptions, findings } = migrated;
  if (exceptions.length === 0) return migrated;
  const message = `connectors dial ${exceptions.join(', ')} by exception only: connectors.allowAddresses of the configuration`;
  return { ...migrated, findings: [...findings, { level: 'todo', field: 'localIP', message }] };
}

/** Whether frpc starts a proxy: `start` and `enabled` say so. */
function isStarted({ common: { start } }: ClientFile, { name, enabled }: JsonObject): boolean {
  return enabled !== false && (!Array.isArray(start) || start.length === 0 || start.includes(name));
}

const started = (client: ClientFile): { proxies: JsonObject[]; visitors: JsonObject[] } => ({
  proxies: client.proxies.filter((proxy) => isStarted(client, proxy)),
  visitors: client.visitors.filter((visitor) => isStarted(client, visitor)),
});

const notStarted = (proxies: readonly JsonObject[]): Finding => ({
  level: 'differs',
  field: 'start, enabled',
  message: `frpc does not start ${proxies.map(({ name }) => JSON.stringify(name)).join(', ')}; left out`,
});

function draftsOf(client: ClientFile, part: ClientPart, assumptions: Assumptions): { drafts: Draft[]; unserved: Unserved[] } {
  const drafts: Draft[] = [];
  const running = started(client).proxies;
  const unserved: Unserved[] = [];
  for (const proxy of running) {
    const draft = draftOf(proxy, part, assumptions);
    if ('target' in draft) drafts.push(draft);
    else unserved.push(draft);
  }
  return { drafts, unserved };
}

/** Adds keys to the configuration; those that another file has set differently are told. */
function addTo(config: JsonObject, more: JsonObject): Finding[] {
  return Object.entries(more).flatMap(([key, value]): Finding[] => {
    if (config[key] === undefined) config[key] = value;
    else if (!equalJson(config[key], value))
      return [
        {
          level: 'lost',
          field: key,
          message: 'differs from that of a file before it, and an installation has one; migrate the files apart, for two installations',
        },
      ];
    return [];
  });
}

const configOf = (config: JsonObject): Config => z.safeParse(configSchema, config).data ?? configSchema.parse({});

/** Objects of manifests that are neither services nor hold configurations of frpc. */
function passedOver(manifests: readonly ManifestObject[], clients: readonly ClientFile[]): Remark[] {
  const nameOf = ({ value }: ManifestObject) => `${String(value.kind)}/${String((value.metadata as JsonObject | undefined)?.name)}`;
  return manifests
    .filter((object) => !isService(object) && !clients.some(({ file }) => file.startsWith(`${object.document.file} (${nameOf(object)})`)))
    .map((object): Remark => {
      const message = 'is neither a DistributedService nor a ConfigMap or Secret with a configuration of frpc; left out';
      return { file: object.document.file, subject: nameOf(object), findings: [{ level: 'differs', field: '', message }] };
    });
}

const isService = ({ value }: ManifestObject): boolean => value.kind === kind && String(value.apiVersion).startsWith(`${apiGroup}/`);

function olderOf({ document, value }: ManifestObject, { namespace }: Assumptions): { services: MigratedService[] } {
  const { objects, findings } = fromOlder(value);
  const services = objects.map((service, index) => {
    const metadata = isObject(service.metadata) ? service.metadata : {};
    const spec = inOrder(isObject(service.spec) ? service.spec : {});
    const placed = namespace !== undefined && namespaceOf(service, '') === '' ? { ...metadata, namespace } : metadata;
    return {
      service: { ...service, metadata: placed, spec },
      file: document.file,
      proxies: [],
      ports: [],
      exceptions: [],
      findings: index === 0 ? findings : [],
    };
  });
  return { services };
}

const order = ['serviceType', 'gateway', 'backends', 'expose', 'routes', 'loadBalancing', 'security', 'advanced'];

/** As people write a spec; what is empty says nothing. */
const inOrder = (spec: JsonObject): JsonObject =>
  Object.fromEntries(
    [...new Set([...order, ...Object.keys(spec)])]
      .filter((key) => spec[key] !== undefined && !(isObject(spec[key]) && Object.keys(spec[key]).length === 0))
      .map((key) => [key, spec[key]]),
  );

/** Services as applying them in their order would take them; one that would be refused becomes a remark. */
function checked(
  services: readonly MigratedService[],
  config: Config,
  { namespace = 'default' }: Assumptions,
): { valid: MigratedService[]; refused: Remark[] } {
  const store = new ServiceStore();
  const claims = new Claims(store, config);
  const refused: Remark[] = [];
  const valid = services.filter((migrated) => {
    const { findings } = validateOffline(migrated.service, { config, claims, namespace });
    const { name } = migrated.service.metadata as { name: string };
    if (findings.length > 0) {
      const subject =
        migrated.proxies.length > 0 ? `proxy ${migrated.proxies.map((proxy) => `"${proxy}"`).join(', ')}` : `DistributedService "${name}"`;
      const told = findings.map((finding): Finding => ({
        level: 'lost',
        field: '',
        message: `is no service that would be admitted: ${describeFinding(finding)}`,
      }));
      refused.push({ file: migrated.file, subject, findings: [...migrated.findings, ...told] });
      return false;
    }
    const complete = defaulted(migrated.service) as unknown as DistributedService;
    store.set({ ...complete, metadata: { ...complete.metadata, namespace: namespaceOf(migrated.service, namespace) } });
    return true;
  });
  return { valid, refused };
}
