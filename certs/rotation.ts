/**
 * Replacing an authority without a moment in which somebody meets a certificate that they cannot verify: the new one is
 * first trusted everywhere (`spread`), then it issues (`reissue`), and the old one is dropped when nothing of it is left.
 */
import { createAuthority, parseAuthority, type Authority } from './authority.ts';
import { inspectCertificate, splitBundle } from './inspect.ts';

/** `spread`: the bundle has both, the old one issues. `reissue`: the bundle has both, the new one issues. */
export type RotationPhase = 'stable' | 'spread' | 'reissue';

export interface AuthorityState {
  authority: Authority;
  phase: RotationPhase;
  /** beginning of the phase; milliseconds since the epoch, 0 while stable */
  since: number;
  /** key of the authority that will issue next; in phase `spread` alone */
  nextKeyPem?: string;
  /** somebody asked for a rotation */
  isRequested: boolean;
}

export interface RotationSettings {
  /** of a new authority */
  lifetimeMs: number;
  /** the longest life of a certificate that it issues */
  leafLifetimeMs: number;
  /** how long a bundle or a certificate takes from its Secret into the processes that use it, at most */
  pauseMs: number;
}

/** What the world looks like. */
export interface RotationFacts {
  now: number;
  /** since when every bundle has been the authority's; undefined: some is not */
  bundlesSince: number | undefined;
  /** since when every living certificate has been of the authority that issues now; undefined: some is not */
  leavesSince: number | undefined;
}

/** Why a rotation begins, or undefined: someone asked, or certificates would soon have to be cut short by the authority's end. */
export function rotationReason(state: AuthorityState, settings: RotationSettings, now: number): string | undefined {
  if (state.phase !== 'stable') return undefined;
  if (state.isRequested) return 'it was asked for';
  return now >= rotationTime(state, settings) ? `it expires at ${new Date(endOf(state.authority)).toISOString()}` : undefined;
}

/** When a stable authority is replaced: two lives of a certificate and the pauses before its end, and at half its life at the earliest. */
export function rotationTime({ authority }: AuthorityState, { leafLifetimeMs, pauseMs }: RotationSettings): number {
  const { notBefore, notAfter } = inspectCertificate(authority.certPem);
  return notAfter - Math.min((notAfter - notBefore) / 2, 2 * (leafLifetimeMs + pauseMs));
}

/** The state to store, or undefined where this is not the time for another. It never skips a phase. */
export async function nextAuthority(
  state: AuthorityState,
  settings: RotationSettings,
  facts: RotationFacts,
): Promise<AuthorityState | undefined> {
  const { now } = facts;
  const { authority, phase, since, nextKeyPem } = state;
  const hasSettled = (fact: number | undefined) => fact !== undefined && now - Math.max(fact, since) >= settings.pauseMs;
  switch (phase) {
    case 'stable': {
      if (rotationReason(state, settings, now) === undefined) return undefined;
      const next = await createAuthority({ lifetimeMs: settings.lifetimeMs, now });
      // An authority that has ended verifies nothing: it needs no place in the bundle.
      const trusted = splitBundle(authority.bundlePem).filter((pem) => inspectCertificate(pem).notAfter > now);
      const bundlePem = [...trusted, next.certPem.trim()].join('\n') + '\n';
      return { authority: { ...authority, bundlePem }, phase: 'spread', since: now, nextKeyPem: next.keyPem, isRequested: false };
    }
    case 'spread': {
      if (!hasSettled(facts.bundlesSince) || nextKeyPem === undefined) return undefined;
      const next = parseAuthority(authority.bundlePem, nextKeyPem);
      return { authority: next, phase: 'reissue', since: now, isRequested: state.isRequested };
    }
    case 'reissue':
      if (!hasSettled(facts.leavesSince)) return undefined;
      return { authority: { ...authority, bundlePem: authority.certPem }, phase: 'stable', since: 0, isRequested: state.isRequested };
  }
}

const endOf = ({ certPem }: Authority) => inspectCertificate(certPem).notAfter;
