/** The home of a gateway outside any cluster: its own identity, and services from the files of a directory. */
import type { Config } from '../../config/schema.ts';
import { base64 } from '../../kube/authority-secret.ts';
import { contentOf, referencesOf, type Content, type Reference } from '../../kube/secret-references.ts';
import type { ConfigMap, Secret } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { hostsOf } from '../../model/exposure.ts';
import { annotation } from '../../model/names.ts';
import { ServiceStore } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import { Copies } from './secret-copies.ts';
import { ServiceFiles, type ServiceFilesContent } from './service-files.ts';
import type { HomeSource, SourceEvents, TokenTrust } from './source.ts';

export interface FileSourceDeps {
  /** where services are; undefined: it has none of its own */
  directory: string | undefined;
  config: Config;
  log: Pick<Log, 'info' | 'warn'>;
  events: SourceEvents;
  tokens: TokenTrust;
  api: Secret;
  /** certificates that are turned away: fingerprint → text (model/revocation.ts); asked again and again. undefined: as before */
  revoked: () => Readonly<Record<string, string>> | undefined;
  /** milliseconds between looks */
  everyMs?: number;
}

export class FileSource implements HomeSource {
  readonly cluster = '';
  readonly services = new ServiceStore();
  /** Clients outside clusters are known by their tokens alone. */
  readonly pods = undefined;
  readonly copies: Copies;
  readonly revoked = new Map<string, ConfigMap>();
  readonly tokens: TokenTrust;
  readonly api: Secret;
  readonly synced = Promise.resolve();
  #server: Secret | undefined;
  readonly #deps: FileSourceDeps;
  readonly #files: ServiceFiles | undefined;
  readonly #timer: NodeJS.Timeout;
  #told = new Set<string>();

  /** Reads at once, and again when files change. */
  constructor(deps: FileSourceDeps) {
    const { directory, config, events, tokens, api, everyMs = 1000 } = deps;
    this.#deps = deps;
    this.tokens = tokens;
    this.api = api;
    this.services.subscribe(events.changed);
    this.copies = new Copies(() => {
      events.changed();
      events.tunnelChanged();
    });
    this.#files = directory === undefined ? undefined : new ServiceFiles(directory, config);
    this.#look();
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  get server(): Secret | undefined {
    return this.#server;
  }

  /** The certificate that tunnels are served with, as Secret frp-gateway-tls has it. */
  setServer(server: Secret): void {
    this.#server = server;
    this.#deps.events.tunnelChanged();
  }

  isCurrent(): boolean {
    return true;
  }

  problem(): string | undefined {
    return undefined;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.resolve();
  }

  #look(): void {
    this.#lookAtRevoked();
    const content = this.#files?.read();
    if (!content) return;
    const { copies, problems } = copiesFor(content, this.#deps.config);
    this.copies.replace(copies);
    this.services.replace(content.services);
    this.#tell([...content.problems, ...problems], content);
  }

  #lookAtRevoked(): void {
    const before = this.revoked.get('clients')?.data ?? {};
    const data = { ...(this.#deps.revoked() ?? before) };
    if (JSON.stringify(before) === JSON.stringify(data)) return;
    this.revoked.set('clients', { metadata: { name: 'clients' }, data });
    this.#deps.events.tunnelChanged();
  }

  #tell(problems: readonly string[], { services }: ServiceFilesContent): void {
    const { log } = this.#deps;
    for (const problem of problems) if (!this.#told.has(problem)) log.warn(problem);
    this.#told = new Set(problems);
    log.info({ services: services.length }, 'the files of services have changed');
  }
}

/** What the services refer to, as the controller of a cluster would copy it. */
function copiesFor({ services, secrets }: ServiceFilesContent, config: Config): { copies: Secret[]; problems: string[] } {
  const originals = new Map(secrets.map((secret) => [`${secret.metadata.namespace}/${secret.metadata.name}`, secret]));
  const copies = new Map<string, Secret>();
  const problems: string[] = [];
  const uses = services.flatMap((service) =>
    referencesOf(service).map((reference) => ({ service, reference, original: originalOf(service, reference) })),
  );
  for (const { service, reference, original } of uses) {
    const secret = originals.get(original);
    // What is a name in one type of authentication is a key in another.
    const isAmbiguous = uses.some(
      (use) =>
        use.original === original &&
        use.reference.kind === 'credentials' &&
        reference.kind === 'credentials' &&
        use.reference.type !== reference.type,
    );
    const terms = { hosts: hostsOf(service.spec, config.baseDomain), now: Date.now(), allowHttp: config.gateway.allowHttpIssuers };
    const { data, problem } = isAmbiguous
      ? ambiguous(original)
      : secret
        ? contentOf(reference, secret, terms)
        : absent(original, reference);
    if (problem) problems.push(`${service.metadata.namespace}/${service.metadata.name}: ${problem.message}`);
    if (data) copies.set(`${reference.kind} ${original}`, copyOf(original, reference.kind, data));
  }
  return { copies: [...copies.values()], problems };
}

const originalOf = ({ metadata: { namespace } }: DistributedService, { secret }: Reference): string => `${namespace}/${secret}`;

const ambiguous = (original: string): Content => ({
  problem: {
    reason: 'SecretAmbiguous',
    message: `Secret ${original} is used by services with different types of authentication; use one Secret for each type`,
  },
});

const absent = (original: string, { field, isOptional }: Reference): Content =>
  isOptional
    ? {}
    : { problem: { reason: 'SecretMissing', message: `no file has Secret ${original} (${field}); add one beside the service` } };

const copyOf = (original: string, kind: string, data: Record<string, string>): Secret => ({
  metadata: { name: original, annotations: { [annotation.copyOf]: original, [annotation.copyKind]: kind } },
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
});
