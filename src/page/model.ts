/** What the page shows, as values. */
import type { Expiry } from '../../certs/expiries.ts';
import type { Line } from '../explain/explanation.ts';
import type { Heard } from '../explain/reach.ts';
import type { ServiceStatus } from '../explain/status.ts';
import type { InstallationReport, ServiceReport } from '../gateway/api/report-types.ts';

/** A link between a cluster and a gateway elsewhere. */
export interface LinkRow {
  /** who dials */
  cluster: string;
  gateway: string;
  isUp: boolean;
  /** RFC 3339; absent: never */
  since?: string;
  /** one word, where it is down and why is known */
  reason?: string;
  /** a sentence or a few words */
  detail: string;
}

/** What has become of a service, by the last turn of one of its conditions. */
export interface Turn {
  /** RFC 3339 */
  at: string;
  /** namespace/name */
  service: string;
  /** `Ready is False` */
  what: string;
  reason: string;
  message: string;
}

export interface Overview {
  /** whose page it is */
  title: string;
  /** whose backends are those of no cluster that has joined: `this cluster`, `clients` */
  own: string;
  /** RFC 3339 */
  at: string;
  services: ServiceStatus[];
  replicas: Heard<InstallationReport>[];
  links: LinkRow[];
  /** soonest end first */
  certificates: Expiry[];
  /** newest first */
  turns: Turn[];
  /** what is not known, and why; sentences */
  unknown: string[];
}

/** A backend as the status of a service has it. */
export interface StatusBackend {
  name: string;
  address: string;
  isHealthy: boolean;
  reason?: string | undefined;
}

export interface ServiceView {
  title: string;
  /** RFC 3339 */
  at: string;
  status: ServiceStatus;
  /** conditions that tell of something; who may use it; where it is reached */
  conditions: Line[];
  access: Line[];
  routes: string[];
  /** what replicas of the gateway say */
  heard: Heard<ServiceReport>[];
  /** where no replica says anything */
  backends: StatusBackend[];
  /** how many more there are */
  more?: number;
  unknown: string[];
}

export interface PageSource {
  overview: () => Promise<Overview>;
  /** @param key namespace/name @returns undefined where there is no such service */
  service: (key: string) => Promise<ServiceView | undefined>;
}
