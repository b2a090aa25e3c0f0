/** Certificates that the program issues to itself: in memory, from an authority that somebody else keeps. */
import { backdate, createAuthority, issue, type Authority, type CertificateRequest } from './authority.ts';
import { every, systemClock, type Clock } from './clock.ts';
import { inspectCertificate, isSignedBy, type Material } from './inspect.ts';
import { healthOf, Holder, type CertificateSource } from './source.ts';

export interface ManagedOptions {
  /** the authority as it is now; asked at each tick, so that a rotation of the authority is seen */
  authority: () => Authority | Promise<Authority>;
  request: CertificateRequest;
  lifetimeMs: number;
  renewBeforeMs: number;
  clock?: Clock;
  /** told of each renewal that failed; the old certificate stays in use and the next tick tries again */
  onFailure?: (message: string) => void;
}

/** Issues the first certificate, then one whenever it comes near its end or the authority changes. @throws where the first fails */
export async function managedSource(options: ManagedOptions): Promise<CertificateSource & { tick(): Promise<void> }> {
  const { clock = systemClock, onFailure = () => {} } = options;
  const holder = new Holder(await issueOwn(options, await options.authority(), clock.now()));
  let renewAt = renewalTime(holder.current(), options.renewBeforeMs);
  let failure: string | undefined;

  const tick = async () => {
    try {
      const authority = await options.authority();
      const { certPem, caPem } = holder.current();
      // In a rotation of the authority the bundle changes first, and the issuer later.
      const changed = authority.bundlePem !== caPem || !isSignedBy(certPem, authority.certPem);
      if (changed || clock.now() >= renewAt) {
        const material = await issueOwn(options, authority, clock.now());
        renewAt = renewalTime(material, options.renewBeforeMs);
        holder.change(material);
      }
      failure = undefined;
    } catch (error) {
      failure = `the certificate of ${options.request.commonName} could not be renewed: ${(error as Error).message}`;
      onFailure(failure);
    }
  };
  const stop = every(clock, tickPeriod(options.renewBeforeMs), tick);
  return {
    current: () => holder.current(),
    onChange: (listener) => holder.onChange(listener),
    health: () => healthOf(holder.current(), clock.now(), failure),
    close: stop,
    tick,
  };
}

/** The embedded default: an authority that lives and dies with the process. */
export async function embeddedSource(options: Omit<ManagedOptions, 'authority'> & { authorityLifetimeMs: number }) {
  const { clock = systemClock } = options;
  const authority = await createAuthority({ lifetimeMs: options.authorityLifetimeMs, now: clock.now() });
  return managedSource({ ...options, authority: () => authority });
}

/** How often to look at the clock: a tenth of the time in which a renewal must happen, between one second and one minute. */
export const tickPeriod = (renewBeforeMs: number) => Math.min(60_000, Math.max(1000, renewBeforeMs / 10));

/** `renewBeforeMs` before the end, or up to a tenth of it earlier, so that replicas and services do not renew all at once. */
export function renewalTime({ certPem }: Material, renewBeforeMs: number, random = Math.random()): number {
  const { notBefore, notAfter } = inspectCertificate(certPem);
  const wanted = notAfter - renewBeforeMs * (1 + random / 10);
  const issuedAt = notBefore + backdate;
  // The authority may have cut the life to less than `renewBefore`: then it is renewed in its last third.
  return wanted > issuedAt ? wanted : notAfter - (notAfter - issuedAt) / 3;
}

async function issueOwn({ request, lifetimeMs }: ManagedOptions, authority: Authority, now: number): Promise<Material> {
  return { ...(await issue(authority, { ...request, lifetimeMs, now })), caPem: authority.bundlePem };
}
