/** The installation's authority as the controller uses it: read from its Secret, put back where it was deleted, replaced in time. */
import type { Authority } from '../../../certs/authority.ts';
import type { Clock } from '../../../certs/clock.ts';
import { inspectCertificate, isSignedBy } from '../../../certs/inspect.ts';
import { nextAuthority, rotationReason, rotationTime, type AuthorityState, type RotationSettings } from '../../../certs/rotation.ts';
import type { Config } from '../../config/schema.ts';
import { authorityStateFrom, ensureAuthority, storeAuthority, storeAuthorityState, text } from '../../kube/authority-secret.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Secret } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { authoritySecretName, gatewayTlsSecretName, serverSecretName, tlsSecretName } from '../../model/names.ts';
import type { ServiceReader } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { ObjectStore } from '../../kube/object-store.ts';
import { hasOwnGateway } from '../gateway-place.ts';
import { ownershipOf } from '../ownership.ts';

export interface AuthorityDeps {
  client: KubeClient;
  config: Config;
  clock: Clock;
  log: Log;
  secrets: ObjectStore<Secret>;
  services: ServiceReader;
  /** whether the Secrets of a namespace are known; those of one that may not be read hold no rotation up */
  isKnown: (namespace: string) => boolean;
  /** gateways elsewhere that would not trust all of these authorities yet, by name; PEM */
  gatewaysWithout: (bundlePem: string) => readonly string[];
}

/** While a rotation is under way, how often to see how far it is. */
const lookMs = 5000;
/** Looks that are further apart may have missed something. */
const blindMs = 60_000;

export class AuthorityKeeper {
  readonly #deps: AuthorityDeps;
  #authority: Authority | undefined;
  #lookedAt = -Infinity;
  #leavesMissingAt = 0;
  #bundlesMissingAt = 0;
  /** gateways that the rotation waits for, as the log has it */
  #waitsFor = '';

  constructor(deps: AuthorityDeps) {
    this.#deps = deps;
  }

  /** the authority in use; `load` comes first */
  get current(): Authority {
    return this.#authority!;
  }

  /** Reads it; where there is none, makes one. @throws as ensureAuthority */
  async load(): Promise<void> {
    const { client, config, clock } = this.#deps;
    this.#authority = await ensureAuthority(client, config, clock);
  }

  /**
   * Takes up what the Secret holds, and takes the next step of a rotation where it is time.
   * @returns whether every certificate must be looked at again, and when to come back (milliseconds since the epoch)
   * @throws KubeError; Error with the remedy where the Secret is damaged: then the authority in use stays
   */
  async reconcile(): Promise<{ hasChanged: boolean; renewAt: number }> {
    const { client, config, clock, log, secrets } = this.#deps;
    const now = clock.now();
    const name = `Secret ${config.namespace}/${authoritySecretName}`;
    const secret = secrets.get(config.namespace, authoritySecretName);
    if (!secret) {
      log.error(`${name} was deleted; the authority in use is written again`);
      await storeAuthority(client, config, this.current);
      return { hasChanged: false, renewAt: now + lookMs };
    }
    const state = authorityStateFrom(secret, clock);
    const facts = { now, ...this.#settled(state, now) };
    const next = await nextAuthority(state, this.#settings, facts);
    if (next) {
      secrets.set(await storeAuthorityState(client, secret, next));
      const reason = rotationReason(state, this.#settings, now);
      log.info({ phase: next.phase, ...(reason === undefined ? {} : { reason }) }, `rotation of the certificate authority: ${next.phase}`);
    }
    const used = next ?? state;
    const renewAt = used.phase === 'stable' ? rotationTime(used, this.#settings) : now + lookMs;
    return { hasChanged: this.#use(used.authority), renewAt };
  }

  #use(authority: Authority): boolean {
    const before = this.#authority;
    this.#authority = authority;
    return before?.bundlePem !== authority.bundlePem || before.keyPem !== authority.keyPem;
  }

  get #settings(): RotationSettings {
    const { authorityLifetime, lifetime, serverLifetime, rotationPause } = this.#deps.config.certificates;
    return { lifetimeMs: authorityLifetime, leafLifetimeMs: Math.max(lifetime, serverLifetime), pauseMs: rotationPause };
  }

  /** Since when every Secret has been as the state wants it; looked at again and again, while a rotation is under way. */
  #settled(state: AuthorityState, now: number): { bundlesSince: number | undefined; leavesSince: number | undefined } {
    const { authority } = state;
    // What was while nobody looked, before this process led or while it slept, is not known: the pause begins anew.
    if (now - this.#lookedAt > blindMs) this.#leavesMissingAt = this.#bundlesMissingAt = now;
    this.#lookedAt = now;
    const made = this.#certificates();
    const isComplete = made.every((secret) => secret !== undefined);
    const living = (certPem: string) => inspectCertificate(certPem).notAfter > now;
    if (!isComplete || made.some((secret) => text(secret, 'ca.crt') !== authority.bundlePem) || this.#waits(state, now))
      this.#bundlesMissingAt = now;
    const isOfAnother = (certPem: string) => certPem !== '' && living(certPem) && !isSignedBy(certPem, authority.certPem);
    if (made.some((secret) => secret && isOfAnother(text(secret, 'tls.crt')))) this.#leavesMissingAt = now;
    const since = (missingAt: number) => (missingAt === now ? undefined : missingAt);
    return { bundlesSince: since(this.#bundlesMissingAt), leavesSince: since(this.#leavesMissingAt) };
  }

  /** Whether a gateway elsewhere is to hear of the next authority first. Not for longer than certificates of this one can be made. */
  #waits({ authority, phase }: AuthorityState, now: number): boolean {
    if (phase !== 'spread') return false;
    const { leafLifetimeMs, pauseMs } = this.#settings;
    if (now > inspectCertificate(authority.certPem).notAfter - leafLifetimeMs - pauseMs) return false;
    const gateways = this.#deps.gatewaysWithout(authority.bundlePem);
    const names = gateways.join(', ');
    if (names !== this.#waitsFor && names !== '')
      this.#deps.log.warn({ gateways }, `the rotation of the certificate authority waits until the gateway hears of it: ${names}`);
    this.#waitsFor = names;
    return gateways.length > 0;
  }

  /** Secrets with a certificate of ours; undefined for one that should be there and is not. Those of others do not hold a rotation up. */
  #certificates(): (Secret | undefined)[] {
    const { config, secrets, services, isKnown } = this.#deps;
    const ofService = (service: DistributedService) => {
      if (!isKnown(service.metadata.namespace ?? '')) return [];
      const secret = secrets.get(service.metadata.namespace, tlsSecretName(service.metadata.name));
      return secret && ownershipOf(secret.metadata, service) === 'ours' ? [secret] : [];
    };
    const servers = [serverSecretName, ...(hasOwnGateway(this.#deps) ? [gatewayTlsSecretName] : [])];
    return [...servers.map((name) => secrets.get(config.namespace, name)), ...[...services.all()].flatMap(ofService)];
  }
}
