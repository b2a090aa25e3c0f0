/** What the controller is given, and what it gives. */
import type { Registry } from '@prometheus-io/client';
import type { Clock } from '../../certs/clock.ts';
import type { Config } from '../config/schema.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Log } from '../log.ts';
import type { ServiceStore } from '../model/store.ts';
import type { Observed } from './observed.ts';
import type { OutdatedOf } from './backends/outdated-pods.ts';
import type { ConnectorSource } from './facts.ts';
import type { DescribeConflict } from './status/configuration-checks.ts';
import type { ConfigurationCheck } from './status/status.ts';

export interface ControllerDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  registry: Registry;
  outdated: OutdatedOf;
  /** what makes ConfigurationValid False, most important first; default: what plain mode cannot protect */
  checks?: ConfigurationCheck[];
  /** looks after the services of the installation's namespace alone, and needs no right in any other */
  ownNamespaceOnly?: boolean;
  /** takes part in the election of a leader, and writes only while it leads; absent: it is the only one */
  election?: { identity: string; durationMs?: number; deadlineMs?: number; retryMs?: number; onLost: () => void };
  describeConflict?: DescribeConflict;
  /** backends that are not annotated Pods */
  connectors?: ConnectorSource;
  /** DEBUG_MODE (R5.15): start, spec, status and steps of each reconcile are logged */
  debug?: boolean;
  clock?: Clock;
}

export interface RunningController {
  services: ServiceStore;
  /** undefined when everything is watched and no watch is failing; otherwise why not */
  problem(): string | undefined;
  isLeading(): boolean;
  /** for people who look on */
  observed(): Observed;
  /** Finishes what it is doing, and ends. */
  close(): Promise<void>;
}
