/** `frp-k8s rotate gateway-ca`: another certificate authority of a gateway outside any cluster, a step at each call. */
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inspectCertificate } from '../../certs/inspect.ts';
import { nextAuthority, type AuthorityState } from '../../certs/rotation.ts';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../errors.ts';
import { FileLinkStore, type ClusterRecord, type LinkStore } from '../gateway/links/link-store.ts';
import { authorityLifetimeMs, markerFile, openHome } from '../gateway/up/home.ts';
import { linksDirectory, restartFile, runDirectory } from '../gateway/up/layout.ts';
import { authorityStateOf, lastingAuthority, storeAuthorityState } from '../gateway/up/rotation.ts';
import { durationWords } from '../link/clock-words.ts';
import { certificateLifetimeMs } from '../link/identity.ts';

export interface GatewayRotation {
  dir: string | undefined;
  /** whether machines outside clusters have configurations of after the first step */
  areClientsRenewed: boolean;
  /** whether to go on without those who would be cut off */
  isAccepted: boolean;
}

/** Until the agent has started anew, and says every 15 s which links are up. Milliseconds. */
const toldMs = 30_000;

/** Takes the next step. @throws UserError who would be cut off by it, and until when to wait */
export async function rotateGatewayAuthority({ dir, areClientsRenewed, isAccepted }: GatewayRotation): Promise<void> {
  if (dir === undefined)
    throw new UserError('rotate gateway-ca: --dir is missing: the directory of the gateway, such as --dir /var/lib/frp-k8s');
  const directory = resolve(dir);
  if (!existsSync(join(directory, markerFile)))
    throw new UserError(`rotate gateway-ca: ${directory} is no gateway's directory: frp-k8s gateway up --dir makes one`);
  const { issuer } = await openHome(directory);
  const state = authorityStateOf(directory);
  const now = Date.now();
  const { rotationPause: pauseMs, lifetime } = loadConfig(undefined, process.env).certificates;
  const waits = isAccepted ? [] : await waitsOf(state, new FileLinkStore(linksDirectory(directory)), { now, pauseMs, areClientsRenewed });
  if (waits.length > 0)
    throw new UserError(
      `rotate gateway-ca: nothing was changed; the next step waits:\n${waits.map((each) => `  ${each}\n`).join('')}--accept-outage goes on in any case: clusters that are cut off join again with a new token, other machines need another client-config`,
    );
  const facts = { now, bundlesSince: state.since, leavesSince: state.since };
  const settings = { lifetimeMs: authorityLifetimeMs, leafLifetimeMs: lifetime, pauseMs: 0 };
  const next = (await nextAuthority({ ...state, isRequested: true }, settings, facts))!;
  await storeAuthorityState(directory, next, issuer);
  // HAProxy and frps go on; the agent has what it needs from the directory.
  if (existsSync(runDirectory(directory))) writeFileSync(restartFile(directory, 'agent'), '');
  process.stdout.write(`${told(next, durationWords(pauseMs))}\n`);
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
      ? [`sidecars need ${durationWords(pauseMs)} for the step before: ${durationWords(since + pauseMs - now)} more`]
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
  (await store.seen(name)).some(({ at }) => at - since > toldMs);
const isOfBefore =
  (since: number) =>
  ({ certificateExpires }: ClusterRecord): boolean =>
    certificateExpires - certificateLifetimeMs < since;

function told(state: AuthorityState, pause: string): string {
  const pin = inspectCertificate(lastingAuthority(state).certPem).sha256;
  switch (state.phase) {
    case 'spread':
      return `step 1 of 3: the gateway tells of its next authority (${pin}), and its certificates are of the one of now
make another client-config for each machine outside clusters: it is of the next authority and trusts both
then, in ${pause}: frp-k8s rotate gateway-ca --clients-renewed`;
    case 'reissue':
      return `step 2 of 3: certificates are of the new authority (${pin}) from now on; the one of before is still trusted
then, in ${pause}: frp-k8s rotate gateway-ca
join tokens of before are void`;
    case 'stable':
      return `step 3 of 3: the gateway trusts the new authority (${pin}) alone`;
  }
}
