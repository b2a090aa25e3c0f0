/** What an agent is started with: the same for the Pod of a cluster, for `gateway up` and for tests. */
import type { RequestListener } from 'node:http';
import type { Registry } from '@prometheus-io/client';
import type { Config } from '../config/schema.ts';
import type { Log } from '../log.ts';
import type { JoinedCluster } from './api/report-types.ts';
import type { Ask } from './api/questions.ts';
import type { HoldingsStore } from './claims/holdings-store.ts';
import type { Proxies } from './proxies.ts';
import type { Replica } from './replicas/peers.ts';
import type { Sources } from './sources/sources.ts';

export interface AgentOptions {
  /** closed with the agent */
  sources: Sources;
  config: Config;
  log: Log;
  registry: Registry;
  proxies: Proxies;
  /** where it is kept who has which host and port; default: in memory */
  holdings?: HoldingsStore | undefined;
  /** name of the Pod */
  pod: string;
  host: string;
  /** this one among them; default: those of a StatefulSet, as `gateway.addresses` speaks of them */
  replicas?: readonly Replica[];
  /** 0: any, for tests */
  ports: { loopback: number; operations: number; status: number };
  /** frps' own API, and the port that sidecars come to, on loopback */
  frpsUrl: string;
  frpsPort: number;
  /** of the files that outlive the processes of the Pod, absolute */
  directory: string;
  /** where the status is told without a password: a socket in a directory that nobody else may enter, absolute; absent: nowhere */
  statusSocket?: string;
  /** clusters that have joined, for people; absent: none can */
  joined?: () => Promise<readonly JoinedCluster[]>;
  /** what the socket answers beside the questions of `api/`, given what it asks itself; absent: nothing */
  page?: (ask: Ask) => RequestListener;
  /** how long a restarted replica waits for the backends that others have; milliseconds */
  warmUpMs?: number;
}
