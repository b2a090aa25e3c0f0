/**
 * Where `serve` takes its certificate, its services and its namespaces' defaults from: files, a cluster, or memory. What only one of them needs
 * is imported when it is chosen.
 */
import type { CertificateSource } from '../../certs/source.ts';
import type { Config } from '../config/schema.ts';
import { UserError } from '../errors.ts';
import type { CaBundleKeeper } from '../kube/ca-bundle.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Log } from '../log.ts';
import type { ServiceStore } from '../model/store.ts';
import type { Check } from '../process/readiness.ts';
import { servicesSink } from '../kube/services-sink.ts';
import type { KnownNamespaces } from './namespaces.ts';

/** What keeps a part of the program up to date, and what readiness asks of it. */
export interface Source {
  checks: Record<string, Check>;
  close(): void | Promise<void>;
}

export interface ServingCertificate extends Source {
  source: CertificateSource;
}

export interface ServicesSource extends Source {
  /** resolves once the services that exist now are in the store */
  filled: Promise<void>;
}

const fine: Check = () => undefined;
const retry = { minMs: 500, maxMs: 15_000 };

/** A client of the cluster, where the configuration needs one. @throws UserError without access to a cluster, and with the way to do without */
export async function connect({ servicesDir }: Config): Promise<KubeClient | undefined> {
  if (servicesDir !== undefined) return undefined;
  const [{ loadAccess }, { KubeClient }] = await Promise.all([import('../kube/access.ts'), import('../kube/client.ts')]);
  try {
    return new KubeClient(loadAccess());
  } catch (error) {
    throw new UserError(`${(error as Error).message}; for services from files and no cluster (the embedded default) say --services DIR`, {
      cause: error,
    });
  }
}

/** tls files, else a certificate of the cluster's authority, else one of an authority in memory. */
export async function certificateSource(config: Config, client: KubeClient | undefined, log: Log): Promise<ServingCertificate> {
  if (config.tls) {
    const { filesSource } = await import('../../certs/files.ts');
    const source = filesSource({ ...config.tls, onRefused: (message) => log.error(message) });
    return checked(await source.catch((error: Error) => fail(error)));
  }
  return client ? clusterCertificate(config, client, log) : checked(await embeddedCertificate(config, log));
}

function fail(cause: Error): never {
  throw new UserError(cause.message, { cause });
}

/** Follows the Namespaces, for the defaults that they set; without a cluster there are none. */
export async function namespacesSource(client: KubeClient | undefined, known: KnownNamespaces, log: Log): Promise<Source> {
  if (!client) return { checks: {}, close: () => {} };
  const [{ Reflector }, { namespaces: resource }] = await Promise.all([import('../kube/reflector.ts'), import('../kube/types.ts')]);
  const reflector = new Reflector({ client, log, resource, sink: known });
  return { checks: { namespaces: listed(reflector) }, close: () => reflector.close() };
}

/** Only the first list is waited for: with the API server away, what is in memory is the best there is. */
const listed =
  (reflector: { hasSynced: boolean; lastError: Error | undefined }): Check =>
  () => {
    if (reflector.hasSynced) return undefined;
    return reflector.lastError ? `not listed yet: ${reflector.lastError.message}` : 'not listed yet';
  };

/** Fills the store, from files or by a watch, and keeps it filled. */
export async function servicesSource(
  config: Config,
  client: KubeClient | undefined,
  store: ServiceStore,
  log: Log,
): Promise<ServicesSource> {
  if (client) return watchedServices(client, store, log);
  const { watchFiles } = await import('./services/files.ts');
  const files = watchFiles(config.servicesDir!, store, log);
  // What was good once is served on, so a file that broke later is no reason to take traffic away.
  return { checks: { services: fine }, filled: Promise.resolve(), close: () => files.close() };
}

async function watchedServices(client: KubeClient, store: ServiceStore, log: Log): Promise<ServicesSource> {
  const [{ Reflector }, { distributedServices }] = await Promise.all([import('../kube/reflector.ts'), import('../kube/types.ts')]);
  const reflector = new Reflector({
    client,
    log,
    resource: distributedServices,
    sink: servicesSink(store),
  });
  return { checks: { services: listed(reflector) }, filled: reflector.synced, close: () => reflector.close() };
}

function checked(source: CertificateSource): ServingCertificate {
  const certificate: Check = () => {
    const { healthy, reason } = source.health();
    return healthy ? undefined : reason;
  };
  return { source, checks: { certificate }, close: () => source.close() };
}

/** A certificate of the webhooks' own authority, and that authority in the webhook configurations. */
async function clusterCertificate(config: Config, client: KubeClient, log: Log): Promise<ServingCertificate> {
  const [{ managedSource }, { servingAuthority }, { keepCaBundle }, { backoffMs, pause }, { systemClock }] = await Promise.all([
    import('../../certs/managed.ts'),
    import('./serving-authority.ts'),
    import('../kube/ca-bundle.ts'),
    import('../kube/backoff.ts'),
    import('../../certs/clock.ts'),
  ]);
  let keeper = undefined as CaBundleKeeper | undefined;
  const isTrusted = () => keeper !== undefined && keeper.hasMatched() && keeper.problem() === undefined;
  const authority = () => servingAuthority({ client, config, log, clock: systemClock, isTrusted });
  const start = () => managedSource({ ...managedOptions(config, log), authority });
  const source = await untilItWorks(start, async (failures, error) => {
    log.warn(`no serving certificate yet, trying again: ${error.message}`);
    await pause(backoffMs(failures, retry), new AbortController().signal);
  });
  const caBundles = keepCaBundle({ client, log, bundle: () => source.current().caPem ?? '' });
  keeper = caBundles;
  source.onChange(() => void caBundles.check());
  const served = checked(source);
  // A mismatch later is repaired and logged; being unready for it would turn a fault of one field into an outage.
  const caBundle: Check = () => (caBundles.hasMatched() ? undefined : (caBundles.problem() ?? 'not compared yet'));
  return {
    source,
    checks: { ...served.checks, caBundle },
    close: () => {
      caBundles.close();
      return served.close();
    },
  };
}

async function embeddedCertificate(config: Config, log: Log): Promise<CertificateSource> {
  const { embeddedSource } = await import('../../certs/managed.ts');
  return embeddedSource({ ...managedOptions(config, log), authorityLifetimeMs: config.certificates.authorityLifetime });
}

function managedOptions({ serviceName, namespace, certificates }: Config, log: Log) {
  const service = `${serviceName}.${namespace}`;
  return {
    request: {
      commonName: `${service}.svc`.slice(0, 64),
      dnsNames: [`${service}.svc`, `${service}.svc.cluster.local`, 'localhost'],
      ipAddresses: ['127.0.0.1'],
      usages: ['serverAuth' as const],
    },
    lifetimeMs: certificates.lifetime,
    renewBeforeMs: certificates.renewBefore,
    onFailure: (message: string) => log.error(message),
  };
}

async function untilItWorks<T>(start: () => Promise<T>, wait: (failures: number, error: Error) => Promise<void>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await start();
    } catch (error) {
      await wait(failures, error as Error);
    }
  }
}
