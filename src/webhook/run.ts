/**
 * The `serve` command: puts configuration, certificate, services, rules and servers together (the parts: sources.ts,
 * webhooks.ts, server/).
 */
import { readFileSync } from 'node:fs';
import { inspectCertificate, splitBundle } from '../../certs/inspect.ts';
import type { Config } from '../config/schema.ts';
import { UserError } from '../errors.ts';
import { createLog, type Log } from '../log.ts';
import { releaseMemory } from '../process/memory.ts';
import { ServiceStore } from '../model/store.ts';
import { everyAddress } from '../process/address.ts';
import type { ClientTrust } from './server/clients.ts';
import { createAdmissionServer } from './server/admission.ts';
import { WebhookMetrics } from './server/metrics.ts';
import { createOperationsServer } from '../process/operations.ts';
import { Readiness } from '../process/readiness.ts';
import { stopOnSignal, type Stoppable } from '../process/shutdown.ts';
import { connect, certificateSource, namespacesSource, servicesSource, type Source } from './sources.ts';
import { KnownNamespaces } from './namespaces.ts';
import { webhooksOf } from './webhooks.ts';

const tidyAfterMs = 500;

export interface Running extends Stoppable {
  /** ports in use, which differ from the configured ones where those are 0 */
  port: number;
  metricsPort: number;
  store: ServiceStore;
  /** authority of the certificate in use, where the source knows it */
  caPem: string | undefined;
}

/** Runs until a signal ends it. @throws UserError for what a person can mend */
export async function serve(config: Config): Promise<void> {
  const log = createLog(config.logLevel);
  const running = await startServe(config, log);
  await stopOnSignal(running, config.drainSeconds * 1000, log);
}

/** Starts the servers, and leaves signals alone. @throws UserError for what a person can mend; then nothing is left running */
export async function startServe(config: Config, log: Log): Promise<Running> {
  const started: (() => void | Promise<void>)[] = [];
  try {
    return await start(config, log, (close) => started.unshift(close));
  } catch (error) {
    for (const close of started) await close();
    throw error;
  }
}

async function start(config: Config, log: Log, atEnd: (close: () => void | Promise<void>) => void): Promise<Running> {
  const readiness = new Readiness();
  const metrics = new WebhookMetrics();
  const store = new ServiceStore();
  let phase: 'starting' | 'serving' | 'stopping' = 'starting';
  readiness.add('phase', () => (phase === 'serving' ? undefined : `the program is ${phase}`));

  const client = await connect(config);
  // Before all that may have to wait for the cluster: so a start that waits can be told from one that hangs.
  const operations = createOperationsServer(readiness, metrics.registry);
  atEnd(() => operations.close());
  const host = config.host ?? everyAddress();
  const metricsPort = await listening(operations.listen(host, config.metricsPort), 'metricsPort');
  const certificate = await certificateSource(config, client, log);
  atEnd(() => certificate.close());
  const services = await servicesSource(config, client, store, log);
  atEnd(() => services.close());
  const known = new KnownNamespaces();
  const namespaces = await namespacesSource(client, known, log);
  atEnd(() => namespaces.close());
  addChecks(readiness, certificate, services, namespaces);
  // Later, because the first review need not wait for it.
  void services.filled.then(() => setTimeout(releaseMemory, tidyAfterMs).unref());

  const admission = createAdmissionServer(webhooksOf(store, config, known), certificate.source, { log, metrics }, clientTrust(config));
  atEnd(() => admission.close(0));
  const port = await listening(admission.listen(host, config.port), 'port');
  phase = 'serving';
  log.info({ host, port, metricsPort, services: store.size }, 'serving admission reviews');
  return {
    port,
    metricsPort,
    store,
    caPem: certificate.source.current().caPem,
    drain: () => {
      phase = 'stopping';
      admission.drain();
    },
    close: async (graceMs) => {
      await admission.close(graceMs);
      await Promise.all([services.close(), namespaces.close(), certificate.close(), operations.close()]);
    },
  };
}

/** @throws UserError where the file cannot be used */
function clientTrust({ webhook: { clientCAFile, clientNames } }: Config): ClientTrust | undefined {
  if (clientCAFile === undefined) return undefined;
  try {
    const caPem = readFileSync(clientCAFile, 'utf8');
    for (const pem of [...splitBundle(caPem), caPem]) inspectCertificate(pem);
    return { caPem, names: clientNames };
  } catch (error) {
    throw new UserError(
      `webhook.clientCAFile ${clientCAFile}: ${(error as Error).message}; name a PEM file with the authority of the API server's certificate`,
      {
        cause: error,
      },
    );
  }
}

async function listening(server: Promise<number>, key: 'port' | 'metricsPort'): Promise<number> {
  try {
    return await server;
  } catch (error) {
    throw new UserError(`${(error as Error).message}; set another ${key} in the configuration`, { cause: error });
  }
}

function addChecks(readiness: Readiness, ...sources: Source[]): void {
  for (const { checks } of sources) {
    for (const [name, check] of Object.entries(checks)) readiness.add(name, check);
  }
}
