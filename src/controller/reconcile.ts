/** Brings one service to what it should be, or to its end: finalizer, Secrets, connector, status, Events. */
import { ignoreNotFound, KubeError } from '../kube/errors.ts';
import { fieldManager } from '../kube/managers.ts';
import { distributedServices, type Metadata } from '../kube/types.ts';
import { asWritten, withAssignedPorts, type AssignedPort } from '../model/random-ports.ts';
import { serviceKey } from '../model/store.ts';
import type { DistributedService, DistributedServiceStatus } from '../model/types.ts';
import { addFinalizer, cleanUp, hasFinalizer } from './lifecycle/finalizer.ts';
import { eventsBetween, tell } from './status/events.ts';
import type { FactSource } from './facts.ts';
import type { ReferencesOutcome } from './gateway-secrets/copies.ts';
import { ensureServerApi } from './identity/api-credentials.ts';
import { ensureIdentity, ensureServerCertificates } from './identity/service-identity.ts';
import type { Checked } from './identity/client-certificate.ts';
import { type IdentityDeps } from './identity/deps.ts';
import type { Refused } from './identity/owned-secrets.ts';
import type { Verdict } from './connectors/verdict.ts';
import type { CertificatesOutcome, ClusterServiceOutcome } from './problem.ts';
import { nextStatus, type ConfigurationCheck, type StatusFacts } from './status/status.ts';

export interface ReconcileDeps extends IdentityDeps {
  facts: FactSource;
  /** @param isRefused nothing of the service may be exposed */
  connect?: ((service: DistributedService, isRefused: boolean) => Promise<Verdict>) | undefined;
  /** ports that it asks for by 0 */
  ports?: ((service: DistributedService) => AssignedPort[] | undefined) | undefined;
  /** its Service in the cluster. @param isServed whether the gateway has the service */
  clusterService?: ((service: DistributedService, isServed: boolean) => Promise<ClusterServiceOutcome | undefined>) | undefined;
  /** what its Secrets for the gateway come to: said, and nothing of the service is taken back for it */
  references?: ((service: DistributedService) => ReferencesOutcome) | undefined;
  /** the certificate for users that cert-manager makes; undefined where none is wanted @param isRefused as of `connect` */
  usersCertificate?: ((service: DistributedService, isRefused: boolean) => Promise<Checked | undefined>) | undefined;
  /** why the Secrets of a namespace cannot be looked after */
  secretsProblem: (namespace: string) => Refused | undefined;
  /** told of the service as the API server has it now, before the watch tells: nothing is written twice */
  statusWritten: (service: DistributedService) => void;
  /** told what was found, after it was written */
  observed: (service: DistributedService, facts: StatusFacts) => void;
  /** the first that finds a problem decides */
  checks: ConfigurationCheck[];
  /** DEBUG_MODE (R5.15) */
  debug?: boolean | undefined;
}

/** When to look again though nothing has changed; milliseconds since the epoch. */
export interface Reconciled {
  renewAt: number;
}

/** @throws KubeError where the API server refused or could not be reached: try again later */
export async function reconcileService(deps: ReconcileDeps, service: DistributedService): Promise<Reconciled> {
  const step = stepsOf(deps, service);
  step('start', { spec: service.spec, status: service.status });
  const forbidden = deps.secretsProblem(service.metadata.namespace ?? '');
  if (service.metadata.deletionTimestamp !== undefined) {
    if (forbidden) deps.log.warn({ service: serviceKey(service) }, `its certificates may not all be revoked: ${forbidden.message}`);
    await end(deps, service);
    return { renewAt: Infinity };
  }
  const kept = hasFinalizer(service) ? service : await hold(deps, service);
  if (!kept) return { renewAt: Infinity };
  const ports = deps.ports?.(kept);
  const held = ports ? withAssignedPorts(asWritten(kept), ports) : kept;
  const { outcome, renewAt } = forbidden ? { outcome: forbidden, renewAt: Infinity } : await ensureIdentity(deps, held);
  const refused = deps.checks.map((check) => check(held)).find((found) => found !== undefined);
  const connected = await deps.connect?.(held, refused !== undefined);
  step('provision', { certificates: outcome, connector: connected?.problem });
  const references = await referencesOf(deps, held, { isRefused: refused !== undefined, isForbidden: forbidden !== undefined });
  const certificates = both(outcome, references.certificates);
  const problem = refused ?? connected?.problem ?? references.problem;
  const known = deps.facts.of(held, certificates, problem, deps.clock.now(), connected?.pending);
  const clusterService = await deps.clusterService?.(held, known.problem === undefined);
  const facts = { ...known, clusterService, ports };
  const written = await writeStatus(deps, held, facts);
  step('configure', { status: written.status });
  deps.observed(written, facts);
  return {
    renewAt: Math.min(renewAt, facts.judgement.again, references.until, lookAgainAt(clusterService, deps.clock.now())),
  };
}

const lookAgainAt = (outcome: ClusterServiceOutcome | undefined, now: number): number => now + (outcome?.againMs ?? Infinity);

/** Of a service that is being deleted. */
async function end(deps: ReconcileDeps, service: DistributedService): Promise<void> {
  await deps.connect?.(service, true);
  await deps.clusterService?.(service, false);
  if (hasFinalizer(service)) await cleanUp(deps, service);
}

/** The certificates of the tunnel and the one for users. What is wrong comes before what is about to end. */
function both(tunnel: CertificatesOutcome, users: CertificatesOutcome): CertificatesOutcome {
  if (!tunnel.ready || !users.ready) return tunnel.ready ? users : tunnel;
  return tunnel.expiring ? tunnel : users;
}

/** What is served to users by Secrets: one that cert-manager is to make is waited for before its content is looked at. */
async function referencesOf(
  deps: ReconcileDeps,
  service: DistributedService,
  { isRefused, isForbidden }: { isRefused: boolean; isForbidden: boolean },
): Promise<ReferencesOutcome> {
  const made = isForbidden ? undefined : await deps.usersCertificate?.(service, isRefused);
  const found = deps.references?.(service) ?? { certificates: { ready: true }, until: Infinity };
  if (!made) return found;
  const certificates = made.outcome.ready ? found.certificates : made.outcome;
  return { ...found, certificates, until: Math.min(found.until, made.renewAt) };
}

/** The finalizer comes before all that it is for. @returns undefined where the service is gone */
async function hold(deps: ReconcileDeps, service: DistributedService): Promise<DistributedService | undefined> {
  const held = await addFinalizer(deps.client, service).catch((error: unknown) => {
    // Of a service that is gone an apply would make a new one; the uid in it turns that into a Conflict.
    if (!(error instanceof KubeError && /no existing object was found/.test(error.message))) ignoreNotFound(error);
    return undefined;
  });
  if (held) deps.statusWritten(held);
  return held;
}

/** One write for each legal step of the state, with its Events; none where nothing has changed. */
async function writeStatus(deps: ReconcileDeps, service: DistributedService, facts: StatusFacts): Promise<DistributedService> {
  let current = service;
  for (;;) {
    const status = nextStatus(current, facts, deps.clock.now());
    const written = status && (await applyStatus(deps, current, status));
    if (!written) return current;
    deps.statusWritten(written);
    await tell(deps.client, deps.log, written, eventsBetween(current.status, status, facts.judgement.backends));
    current = written;
  }
}

/**
 * With the version that was decided from: where it has changed since, that is a Conflict, and what comes from the watch
 * decides. So a new leader whose watch lags repeats no transition and no Event.
 */
function applyStatus(
  { client }: ReconcileDeps,
  { metadata: { name, namespace, uid, resourceVersion } }: DistributedService,
  status: DistributedServiceStatus,
): Promise<DistributedService | undefined> {
  const object = { metadata: { name, namespace, uid, resourceVersion } as Metadata, status };
  const options = { fieldManager: fieldManager.controller, force: true, subresource: 'status' } as const;
  return client.apply<DistributedService>(distributedServices, object, options).catch(ignoreNotFound);
}

/** The certificates of the servers, and the password of their API. @throws as reconcileService, and where the Secret is somebody else's */
export async function reconcileServer(deps: ReconcileDeps): Promise<Reconciled> {
  await ensureServerApi(deps);
  return ensureServerCertificates(deps);
}

const stepsOf =
  ({ debug, log }: ReconcileDeps, service: DistributedService) =>
  (step: string, details: object) => {
    if (debug) log.info({ service: serviceKey(service), step, ...details }, 'DEBUG_MODE');
  };
