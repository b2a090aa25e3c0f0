/** The part of admission.k8s.io/v1 that this program reads and writes. Source: k8s.io/api/admission/v1/types.go. */
import type { PatchOperation } from '../../src/model/json-patch.ts';
import type { DecisionReason } from '../../src/model/reasons/admission.ts';

export interface AdmissionRequest {
  uid: string;
  kind: { group: string; version: string; kind: string };
  resource: { group: string; version: string; resource: string };
  subResource?: string;
  name?: string;
  namespace?: string;
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  userInfo?: { username?: string };
  object?: unknown;
  oldObject?: unknown;
  dryRun?: boolean;
}

export interface AdmissionReview {
  apiVersion: 'admission.k8s.io/v1';
  kind: 'AdmissionReview';
  request: AdmissionRequest;
}

/**
 * What a webhook decided, as a value: the HTTP answer, the command line's output, the log line and the metric's
 * labels are all made from it.
 */
export interface Decision {
  /** allowed without change, allowed with a patch, skipped (not ours), or denied */
  outcome: 'allowed' | 'patched' | 'skipped' | 'denied';
  /** one word, constant: metric label and log field */
  reason: DecisionReason;
  /** one sentence for people; in a denial it says what to do */
  message: string;
  /** present if and only if outcome is `patched` and there is something to change */
  patch?: PatchOperation[];
  /** base64 of the JSON of `patch`, when it was rendered already */
  patchBase64?: string;
  warnings: string[];
  /** of a denial: each problem of the object, which `message` has together; absent: `reason` and `message` are the only one */
  problems?: readonly Problem[];
  /** more fields for the log line */
  details?: Record<string, unknown>;
}

/** The problems of a denial, at least one; of any other decision none. */
export const problemsOf = (decision: Decision): readonly Problem[] =>
  decision.outcome === 'denied' ? (decision.problems ?? [{ reason: decision.reason, message: decision.message }]) : [];

export interface Problem {
  reason: DecisionReason;
  message: string;
  /** the group that it is about, where it is about one */
  group?: string | undefined;
}

/** How long the API server waits for the answer. */
export interface ReviewContext {
  /** milliseconds, from the request's own `?timeout=` */
  timeoutMs: number;
}

/** One admission endpoint: its URL path, its name in logs and metrics, and its rules. */
export interface Webhook {
  path: string;
  webhook: string;
  decide(request: AdmissionRequest, context: ReviewContext): Decision | Promise<Decision>;
}
