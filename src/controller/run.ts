/** The `controller` command: puts configuration, access, controller and the plain port together. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { collectDefaultMetrics, Registry } from '@prometheus-io/client';
import { conflictFinding } from '../../webhooks/distributedservices/tenancy.ts';
import { outdatedGroups } from '../../webhooks/pods/outdated.ts';
import type { Config } from '../config/schema.ts';
import { Connectors } from './connectors/connectors.ts';
import { startController, type RunningController } from './controller.ts';
import { isBeingRemoved, finishRemoval } from './lifecycle/installation-removal.ts';
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { createLog, type Log } from '../log.ts';
import { describeFinding } from '../model/findings.ts';
import { everyAddress } from '../process/address.ts';
import { createOperationsServer } from '../process/operations.ts';
import { Readiness } from '../process/readiness.ts';
import { stopOnSignal } from '../process/shutdown.ts';

/** What people look at, beside the controller: opened once it runs. @throws UserError where it cannot be opened */
export type OpenPage = (controller: RunningController, given: { client: KubeClient; config: Config; log: Log }) => Promise<Page>;

interface Page {
  close: () => Promise<void>;
}

/**
 * Runs until a signal or the loss of its Lease ends it.
 * @param openPage absent: there is no page
 * @throws UserError for what a person can mend
 */
export async function control(config: Config, openPage?: OpenPage, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const log = createLog(config.logLevel);
  const client = new KubeClient(loadAccess());
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const onLost = () => {
    // What is under way may finish: every write carries the version or the uid that it was decided from.
    process.kill(process.pid, 'SIGTERM');
  };
  const controller = startController({
    client,
    config,
    log,
    registry,
    outdated: (pod, services) => outdatedGroups(pod, services, config),
    describeConflict: (conflict, service) => describeFinding(conflictFinding(conflict, service)),
    connectors: new Connectors({ client, config, log }),
    election: { identity: `${hostname()}_${randomUUID()}`, onLost },
    debug: env.DEBUG_MODE === 'true',
  });
  const readiness = new Readiness();
  let stopping = false;
  readiness.add('phase', () => (stopping ? 'the program is stopping' : undefined));
  readiness.add('watches', () => controller.problem());
  const operations = createOperationsServer(readiness, registry);
  const host = config.host ?? everyAddress();
  const metricsPort = await operations.listen(host, config.metricsPort);
  const page = await openPage?.(controller, { client, config, log });
  log.info({ host, metricsPort, server: client.access.server }, 'controller started');
  const drain = () => (stopping = true);
  const close = async () => {
    await page?.close();
    const [isTheEnd] = await Promise.all([isBeingRemoved(client, config.namespace), controller.close()]);
    if (isTheEnd) await finishRemoval(client, config.namespace, log);
    await operations.close();
    client.close();
  };
  await stopOnSignal({ drain, close }, 0, log);
}
