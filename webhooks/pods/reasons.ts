/**
 * Every outcome of pod injection: one word for metric and log, and where it is a denial a sentence that says what to
 * do. The webhook's answer, the command line and the log line all come from these.
 *
 * | reason            | outcome | when                                                              |
 * |-------------------|---------|-------------------------------------------------------------------|
 * | Injected          | patched | sidecars were added or brought up to date                         |
 * | UpToDate          | allowed | the sidecars are there already                                    |
 * | NotAnnotated      | skipped | no frp.io/group, and no selector of the namespace matches         |
 * | OptedOut          | skipped | frp.io/inject: "false", or the namespace is disabled              |
 * | StaticPod         | skipped | a mirror Pod, which the kubelet runs from a file                  |
 * | InvalidPod        | denied  | the Pod's shape is broken                                         |
 * | InvalidAnnotation | denied  | a frp.io annotation has a wrong value                             |
 * | UnknownGroup      | denied  | no DistributedService of that name in the namespace               |
 * | ServiceDeleting   | denied  | the DistributedService is being deleted                           |
 * | GatewayRequired   | denied  | the service asks for what only the gateway has                    |
 * | UdpNeedsPlainServer | denied | a udp service, which the gateway cannot serve                   |
 * | HostConflict      | denied  | the service's host or port belongs to another service             |
 * | NotExposed        | denied  | the service's exposure cannot be rendered                         |
 * | MissingPort       | denied  | the port of the app cannot be told                                |
 * | UnsupportedOS     | denied  | a Windows Pod                                                     |
 * | NameTaken         | denied  | a container or volume of the user's has the sidecar's name        |
 * | TooLarge          | denied  | the annotations would exceed 256 KiB, or the Pod 256 groups       |
 */

import type { DenialReason } from '../../src/model/reasons/admission.ts';

export type { DenialReason };

/** A Pod that cannot be injected; thrown by a check inside the decision, whose value has all of them. */
export class Denial extends Error {
  readonly reason: DenialReason;
  /** the group that it is about, of UnknownGroup */
  readonly group: string | undefined;

  constructor(reason: DenialReason, message: string, group?: string) {
    super(message);
    this.reason = reason;
    this.group = group;
  }
}

/** A Pod may have 256 groups and thousands of annotations: with so many problems no more are looked for. */
const mostDenials = 20;

/** What the checks of one Pod find: the next check runs all the same, so that its owner reads everything at once. */
export class Denials {
  readonly found: Denial[] = [];

  /** @returns what the check returns; undefined where it throws a Denial, which is kept, and where enough are known */
  of<T>(check: () => T): T | undefined {
    if (this.found.length >= mostDenials) return undefined;
    try {
      return check();
    } catch (error) {
      if (!(error instanceof Denial)) throw error;
      this.found.push(error);
      return undefined;
    }
  }
}
