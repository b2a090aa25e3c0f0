/** Who may bring a tunnel to this replica: admission, with what it needs to know, and what follows from a refusal. */
import type { Config } from '../config/schema.ts';
import type { Log } from '../log.ts';
import { eligibilityOf } from './admission/eligibility.ts';
import { Patience } from './admission/patience.ts';
import { OpenSessions } from './admission/open-sessions.ts';
import { verifyToken } from './admission/pod-token.ts';
import { RecentRefusals, type TunnelRefusal } from './admission/recent-refusals.ts';
import type { Refusal, RefusalReason } from './admission/refusals.ts';
import { trustedClusters } from './admission/trusted-clusters.ts';
import { TunnelAdmission } from './admission/tunnel-admission.ts';
import type { RefusedService } from './api/status-server.ts';
import { RefusedPods } from './api/refused-pods.ts';
import { Gathered } from './gathered.ts';
import { maxTunnels } from './haproxy/index.ts';
import { clientList } from './members/frps-client.ts';
import type { Members } from './members/members.ts';
import type { Proxies } from './proxies.ts';
import type { Sources } from './sources/sources.ts';
import { within } from './waiting.ts';
import { WithoutLogin } from './admission/without-login.ts';

export interface DoorOptions {
  sources: Sources;
  members: Members;
  proxies: Proxies;
  config: Config;
  /** of frps' own API */
  frpsUrl: string;
  log: Log;
  onRefused: (reason: RefusalReason) => void;
}

/** frpc tries a login again by itself; a call that waits holds one of its connections. Milliseconds. */
const startWaitMs = 10_000;
/** HAProxy tells of all tunnels when some are to be ended: those of this time are ended together. Milliseconds. */
const endTogetherMs = 1000;

export class Door {
  readonly #options: DoorOptions;
  readonly #refusals = new RecentRefusals();
  readonly #beyond: Gathered<string>;
  readonly #withoutLogin: WithoutLogin;
  readonly admission: TunnelAdmission;
  /** Pods that were turned away, whatever for */
  readonly refusedPods = new RefusedPods();

  constructor(options: DoorOptions) {
    this.#options = options;
    const { sources, members, proxies, config, frpsUrl, log } = options;
    this.#beyond = new Gathered((addresses) => proxies.endTunnels(addresses, 'beyond a limit'), endTogetherMs);
    const loggedIn = clientList(frpsUrl);
    const known = () => new Set(members.tunnelsOf(() => true)).size;
    this.#withoutLogin = new WithoutLogin({ tunnels: proxies.tunnels, known, loggedIn, log });
    const eligibility = { services: sources.services, patience: new Patience() };
    this.admission = new TunnelAdmission({
      isReady: () => within(sources.synced, startWaitMs),
      verify: (token) => verifyToken(token, trustedClusters(sources), config.gateway.audience),
      eligibilityOf: (pod, service) => eligibilityOf(pod, service, eligibility),
      members,
      sessions: new OpenSessions({ list: loggedIn, room: proxies.maxTunnels ?? maxTunnels }),
      endTunnel: (address) => this.#beyond.add(address),
      log,
      onRefused: (refusal) => this.#tell(refusal),
      onAdmitted: (identity, service) => this.refusedPods.admitted(identity, service),
    });
  }

  /** Services whose Pods have wanted too much in the last minute, as the gateway's own cluster is told them. */
  get refusals(): RefusedService[] {
    return this.refusalsOf('').map(({ service, reason, message }) => ({ service, reason, message }));
  }

  /** @param cluster of the Pods */
  refusalsOf(cluster: string): TunnelRefusal[] {
    return this.#refusals.all.filter((refusal) => refusal.cluster === cluster);
  }

  async close(): Promise<void> {
    await Promise.all([this.#beyond.close(), this.#withoutLogin.close()]);
  }

  #tell(refusal: Refusal): void {
    const { reason, message, about } = refusal;
    this.#options.onRefused(reason);
    this.refusedPods.refused(reason, message, about);
    if (!about) return;
    const pod = this.#options.sources.podOf(about);
    // A login is of no service yet: it concerns all that the Pod is a backend of.
    const ofPod = typeof pod === 'object' ? Object.keys(pod.ports) : [];
    const names = about.service === undefined ? ofPod : [about.service];
    this.#refusals.add(
      refusal,
      about.cluster,
      names.map((name) => `${about.namespace}/${name}`),
    );
  }
}
