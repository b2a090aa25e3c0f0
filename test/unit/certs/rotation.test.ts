import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { backdate, createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { inspectCertificate, isSignedBy as verify, splitBundle } from '../../../certs/inspect.ts';
import { renewalTime } from '../../../certs/managed.ts';
import '../../support/few-keys.ts';
import { nextAuthority, rotationReason, rotationTime, type AuthorityState, type RotationSettings } from '../../../certs/rotation.ts';

/** The year below asks the same questions hundreds of thousands of times, of a few dozen texts. */
function remembered<T>(ask: (text: string, other: string) => T): (text: string, other?: string) => T {
  const answers = new Map<string, Map<string, T>>();
  return (text, other = '') => {
    const ofText = answers.get(text) ?? new Map<string, T>();
    if (ofText.size === 0) answers.set(text, ofText);
    if (!ofText.has(other)) ofText.set(other, ask(text, other));
    return ofText.get(other)!;
  };
}
const isSignedBy = remembered((certPem, bundlePem) => verify(certPem, bundlePem));
const endOf = remembered((certPem) => inspectCertificate(certPem).notAfter);
const nameOf = remembered((certPem) => inspectCertificate(certPem).commonName);
const renewalOf = remembered((certPem, keyPem) => renewalTime({ certPem, keyPem }, 7 * day, 0));

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.parse('2030-01-01T00:00:00Z');
const settings: RotationSettings = { lifetimeMs: 120 * day, leafLifetimeMs: 30 * day, pauseMs: hour };

const stable = async (now = start, lifetimeMs = settings.lifetimeMs): Promise<AuthorityState> => ({
  authority: await createAuthority({ lifetimeMs, now }),
  phase: 'stable',
  since: 0,
  isRequested: false,
});
const names = ({ authority }: AuthorityState) => splitBundle(authority.bundlePem).map((pem) => inspectCertificate(pem).commonName);
const issuer = ({ authority }: AuthorityState) => nameOf(authority.certPem);

describe('the rotation of an authority', () => {
  it('begins in time for certificates to keep their whole life', async () => {
    const long = { ...settings, lifetimeMs: 365 * day };
    const state = await stable(start, long.lifetimeMs);
    const at = rotationTime(state, long);
    assert.equal(at, start + 365 * day - 2 * (30 * day + hour));
    assert.equal(await nextAuthority(state, long, { now: at - 1, bundlesSince: start, leavesSince: start }), undefined);
    assert.match(rotationReason(state, long, at) ?? '', /^it expires at 2031-01-01/);
    assert.equal((await nextAuthority(state, long, { now: at, bundlesSince: start, leavesSince: start }))?.phase, 'spread');
  });

  it('begins at half its life at the earliest, however long its certificates live', async () => {
    const half = (start - backdate + start + 120 * day) / 2;
    assert.equal(rotationTime(await stable(), settings), half);
  });

  it('begins when it is asked for, and forgets the request', async () => {
    const next = await nextAuthority({ ...(await stable()), isRequested: true }, settings, {
      now: start,
      bundlesSince: start,
      leavesSince: start,
    });
    assert.deepEqual([next?.phase, next?.isRequested], ['spread', false]);
  });

  it('first trusts the new one, then issues with it, then drops the old one', async () => {
    const old = { ...(await stable()), isRequested: true };
    const spread = (await nextAuthority(old, settings, { now: start, bundlesSince: start, leavesSince: start }))!;
    assert.equal(names(spread).length, 2);
    assert.equal(issuer(spread), issuer(old));
    const reissue = (await nextAuthority(spread, settings, { now: start + hour, bundlesSince: start, leavesSince: start }))!;
    assert.deepEqual(names(reissue), names(spread));
    assert.equal(issuer(reissue), names(spread)[1]);
    assert.equal(reissue.nextKeyPem, undefined);
    const done = (await nextAuthority(reissue, settings, { now: start + 2 * hour, bundlesSince: start, leavesSince: start + hour }))!;
    assert.deepEqual([done.phase, names(done)], ['stable', [issuer(reissue)]]);
  });

  it('waits for the last bundle, and from then on for as long as it takes into every process', async () => {
    const spread = (await nextAuthority({ ...(await stable()), isRequested: true }, settings, {
      now: start,
      bundlesSince: start,
      leavesSince: start,
    }))!;
    const step = (now: number, bundlesSince: number | undefined) =>
      nextAuthority(spread, settings, { now, bundlesSince, leavesSince: start });
    assert.equal(await step(start + 10 * day, undefined), undefined);
    assert.equal(await step(start + 10 * day, start + 10 * day - hour + 1), undefined);
    assert.equal(await step(start + hour - 1, start), undefined);
    assert.equal((await step(start + 10 * day, start + 10 * day - hour))?.phase, 'reissue');
  });

  it('keeps the old one for as long as a certificate of it lives', async () => {
    const { authority } = await stable();
    const state: AuthorityState = { authority, phase: 'reissue', since: start, isRequested: false };
    assert.equal(await nextAuthority(state, settings, { now: start + 20 * day, bundlesSince: start, leavesSince: undefined }), undefined);
  });
});

/** A process: it presents a certificate and trusts a bundle, and takes both from its Secret after a while. */
interface Process {
  /** how long it takes from Secret to process */
  delayMs: number;
  /** how often it asks for its Secret to be written */
  reconcileMs: number;
  secret: { certPem: string; keyPem: string; bundlePem: string; at: number };
  used: { certPem: string; bundlePem: string };
}

async function leaf(authority: Authority, now: number) {
  const pair = await issue(authority, { commonName: 'x', usages: ['clientAuth'], lifetimeMs: settings.leafLifetimeMs, now });
  return { ...pair, bundlePem: authority.bundlePem, at: now };
}

interface Plan {
  /** minutes from a Secret into each process, 60 at most */
  delays: number[];
  /** of each process: how often its Secret is looked at, in steps of ten minutes */
  periods: number[];
  /** days on which a rotation is asked for */
  requestsAt: number[];
  /** days on which the controller starts anew */
  restartsAt: number[];
}

/** @throws AssertionError at the first moment when somebody meets a certificate that is expired, or whose issuer they do not trust */
async function liveThroughAYear({ delays, periods, requestsAt, restartsAt }: Plan, rotation = settings): Promise<void> {
  let state = await stable();
  const issuers = new Set<string>();
  const processes: Process[] = await Promise.all(
    delays.map(async (delay, i) => {
      const secret = await leaf(state.authority, start);
      return { delayMs: delay * minute, reconcileMs: periods[i]! * 10 * minute, secret, used: secret };
    }),
  );
  let bundlesSince: number | undefined = start;
  let leavesSince: number | undefined = start;
  const step = 10 * minute;
  // Nothing happens in between only where nothing is on its way into a process either.
  const isCalm = () => state.phase === 'stable' && processes.every(({ secret, used }) => secret === used);
  for (let now = start; now < start + 365 * day; now += isCalm() ? 6 * hour : step) {
    const onDay = (days: number[]) => days.some((at) => Math.floor((now - start) / day) === at);
    if (state.phase === 'stable' && onDay(requestsAt)) state = { ...state, isRequested: true };
    if (onDay(restartsAt)) bundlesSince = leavesSince = now;
    for (const process of processes) {
      const { secret } = process;
      if (now - secret.at >= process.delayMs) process.used = secret;
      if (state.phase !== 'stable' && Math.floor((now - start) / step) % (process.reconcileMs / step) !== 0) continue;
      const isDue = renewalOf(secret.certPem, secret.keyPem) <= now;
      if (isDue || !isSignedBy(secret.certPem, state.authority.certPem)) process.secret = await leaf(state.authority, now);
      else if (secret.bundlePem !== state.authority.bundlePem)
        process.secret = { ...secret, bundlePem: state.authority.bundlePem, at: now };
    }
    const all = (isSo: (process: Process) => boolean, since: number | undefined) => (processes.every(isSo) ? (since ?? now) : undefined);
    bundlesSince = all(({ secret }) => secret.bundlePem === state.authority.bundlePem, bundlesSince);
    leavesSince = all(({ secret }) => isSignedBy(secret.certPem, state.authority.certPem), leavesSince);
    state = (await nextAuthority(state, rotation, { now, bundlesSince, leavesSince })) ?? state;
    issuers.add(issuer(state));
    for (const shown of processes) {
      assert.ok(endOf(shown.used.certPem) > now, `a certificate in use expired before ${new Date(now).toISOString()}`);
      for (const verifier of processes)
        assert.ok(
          isSignedBy(shown.used.certPem, verifier.used.bundlePem),
          `not trusted at ${new Date(now).toISOString()}, in ${state.phase}`,
        );
    }
  }
  assert.ok(issuers.size >= 5, `an authority of 120 days is replaced at half its life: ${issuers.size}`);
}

describe('a year of rotations', () => {
  it('never shows anybody a certificate that is expired, or whose issuer they do not trust', { timeout: 170_000 }, async () => {
    const plans: fc.Arbitrary<Plan> = fc.record({
      delays: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 3, maxLength: 3 }),
      periods: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 3, maxLength: 3 }),
      requestsAt: fc.array(fc.integer({ min: 0, max: 364 }), { maxLength: 2 }),
      restartsAt: fc.array(fc.integer({ min: 0, max: 364 }), { maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(plans, (plan) => liveThroughAYear(plan)),
      { numRuns: 4 },
    );
  });

  const slow: Plan = { delays: [60, 0, 30], periods: [1, 1, 1], requestsAt: [], restartsAt: [] };

  it('is survived with the slowest process, by a pause as long as it takes', () => liveThroughAYear(slow));

  for (const pauseMs of [0, 10 * minute])
    it(`is not survived with a pause of ${pauseMs / minute} minutes, shorter than the way into the slowest process`, () =>
      assert.rejects(liveThroughAYear(slow, { ...settings, pauseMs }), /^AssertionError.*not trusted at 2030-/));
});
