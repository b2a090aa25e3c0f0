/** `frp-k8s rotate gateway-ca`: another certificate authority of a gateway that clusters have joined, a step at each call. */
import { inspectCertificate } from '../../certs/inspect.ts';
import { nextAuthority, type AuthorityState } from '../../certs/rotation.ts';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../errors.ts';
import type { ClusterRecord, LinkStore } from '../gateway/links/link-store.ts';
import { authorityLifetimeMs } from '../gateway/up/home.ts';
import { lastingAuthority } from '../gateway/up/rotation.ts';
import { durationWords } from '../link/clock-words.ts';
import { certificateLifetimeMs } from '../link/identity.ts';
import { openPlace, type Place, type PlaceValues } from './gateway-place.ts';

export interface GatewayRotation {
  place: PlaceValues;
  /** whether machines outside clusters have configurations of after the first step */
  areClientsRenewed: boolean;
  /** whether to go on without those who would be cut off */
  isAccepted: boolean;
}

const command = 'rotate gateway-ca';
/** Until the agent has started anew, and says every 15 s which links are up. Milliseconds. */
const toldMs = 30_000;

/** Takes the next step. @throws UserError who would be cut off by it, and until when to wait; KubeError */
export async function rotateGatewayAuthority({ place: values, areClientsRenewed, isAccepted }: GatewayRotation): Promise<void> {
  const place = await openPlace(command, values);
  try {
    place.check();
    await step(place, { areClientsRenewed: areClientsRenewed || !place.rotation.isOfTunnels, isAccepted });
  } finally {
    place.close();
  }
}

async function step({ rotation, store }: Place, { areClientsRenewed, isAccepted }: Omit<GatewayRotation, 'place'>): Promise<void> {
  const state = await rotation.state();
  const now = Date.now();
  const { rotationPause: pauseMs, lifetime } = loadConfig(undefined, process.env).certificates;
  const waits = isAccepted ? [] : await waitsOf(state, store, { now, pauseMs, areClientsRenewed });
  if (waits.length > 0)
    throw new UserError(
      `${command}: nothing was changed; the next step waits:\n${waits.map((each) => `  ${each}\n`).join('')}--accept-outage goes on in any case: clusters that are cut off join again with a new token${rotation.isOfTunnels ? ', other machines need another client-config' : ''}`,
    );
  const facts = { now, bundlesSince: state.since, leavesSince: state.since };
  const settings = { lifetimeMs: authorityLifetimeMs, leafLifetimeMs: lifetime, pauseMs: 0 };
  const next = (await nextAuthority({ ...state, isRequested: true }, settings, facts))!;
  await rotation.put({ ...next, isRequested: false });
  process.stdout.write(`${told(next, durationWords(pauseMs), rotation.isOfTunnels)}\n`);
}

/** Who would be cut off by the next step. */
async function waitsOf(
  { phase, since }: AuthorityState,
  store: LinkStore,
  { now, pauseMs, areClientsRenewed }: { now: number; pauseMs: number; areClientsRenewed: boolean },
): Promise<string[]> {
  if (phase === 'stable') return [];
  const clusters = [...(await store.clusters()).values()];
  const early =
    since + pauseMs > now
      ? [`sidecars and links need ${durationWords(pauseMs)} for the step before: ${durationWords(since + pauseMs - now)} more`]
      : [];
  if (phase === 'reissue')
    return [
      ...early,
      ...clusters
        .filter(isOfBefore(since))
        .map(({ name }) => `cluster ${name} has no certificate of the new authority yet: ${absent(name)}`),
    ];
  const unheard = await Promise.all(
    clusters.map(async ({ name }) =>
      (await hasHeard(store, name, since)) ? [] : [`cluster ${name} has not heard of the new authority yet: ${absent(name)}`],
    ),
  );
  const clients = areClientsRenewed
    ? []
    : [
        'machines outside clusters, if there are any, need another client-config, of after the first step: say --clients-renewed once all have one',
      ];
  return [...early, ...unheard.flat(), ...clients];
}

const absent = (name: string) => `its link must be up for half a minute; or remove it (frp-k8s gateway clusters remove ${name})`;
const hasHeard = async (store: LinkStore, name: string, since: number): Promise<boolean> =>
  (await store.seen(name)).some(({ isLinked, at }) => isLinked && at - since > toldMs);
const isOfBefore =
  (since: number) =>
  ({ certificateExpires }: ClusterRecord): boolean =>
    certificateExpires - certificateLifetimeMs < since;

function told(state: AuthorityState, pause: string, isOfTunnels: boolean): string {
  const pin = inspectCertificate(lastingAuthority(state).certPem).sha256;
  switch (state.phase) {
    case 'spread':
      return `step 1 of 3: the gateway tells of its next authority (${pin}), and its certificates are of the one of now${
        isOfTunnels ? '\nmake another client-config for each machine outside clusters: it is of the next authority and trusts both' : ''
      }
then, in ${pause}: frp-k8s rotate gateway-ca${isOfTunnels ? ' --clients-renewed' : ''}`;
    case 'reissue':
      return `step 2 of 3: certificates are of the new authority (${pin}) from now on; the one of before is still trusted
then, in ${pause}: frp-k8s rotate gateway-ca
join tokens of before are void`;
    case 'stable':
      return `step 3 of 3: the gateway trusts the new authority (${pin}) alone`;
  }
}
