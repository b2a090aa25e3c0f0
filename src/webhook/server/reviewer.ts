/** From the bytes of a review to the bytes of its answer: parse, decide, count and log. Knows nothing of HTTP. */
import { parseReview } from '../../../webhooks/review/parse.ts';
import { failure, respond } from '../../../webhooks/review/respond.ts';
import type { AdmissionRequest, Decision, ReviewContext, Webhook } from '../../../webhooks/review/types.ts';
import type { Log } from '../../log.ts';
import type { DecisionLine } from '../../model/logs/fields.ts';
import type { WebhookMetrics } from './metrics.ts';

export interface Answer {
  status: number;
  body: string;
}

export interface Reporting {
  log: Log;
  metrics: WebhookMetrics;
}

/** Answers one review. Never throws and never rejects: a rule that fails is an HTTP 500, so that failurePolicy decides. */
export function answerReview(
  webhook: Webhook,
  body: Buffer | undefined,
  context: ReviewContext,
  reporting: Reporting,
): Answer | Promise<Answer> {
  const started = performance.now();
  const { review, error } = parseReview(body);
  if (error) {
    reporting.log.warn({ webhook: webhook.webhook, status: error.status }, error.message);
    return { status: error.status, body: failure(error.status, error.message) };
  }
  const { request } = review;
  const decided = (decision: Decision): Answer => {
    report(reporting, webhook, request, decision, performance.now() - started);
    return { status: 200, body: respond(request.uid, decision) };
  };
  const failed = (cause: unknown): Answer => reportFailure(reporting, webhook, request, cause, performance.now() - started);
  try {
    const decision = webhook.decide(request, context);
    // A decision that needs no waiting is answered in this turn of the event loop.
    return decision instanceof Promise ? decision.then(decided).catch(failed) : decided(decision);
  } catch (cause) {
    return failed(cause);
  }
}

function report({ log, metrics }: Reporting, { webhook }: Webhook, request: AdmissionRequest, decision: Decision, ms: number): void {
  const { outcome, reason, message, warnings, details } = decision;
  metrics.observe({ webhook, operation: request.operation, decision: outcome, reason }, ms / 1000);
  if (!log.isLevelEnabled('info')) return;
  const { uid, operation, namespace, dryRun } = request;
  // One literal: pino leaves out what is undefined, and each spread would cost as much as the rest.
  log.info(
    {
      event: 'decision',
      webhook,
      operation,
      namespace,
      name: nameOf(request),
      dryRun,
      uid,
      decision: outcome,
      reason,
      durationMs: Math.round(ms * 1000) / 1000,
      warnings: warnings.length > 0 ? warnings : undefined,
      details,
    } satisfies DecisionLine,
    message,
  );
}

function reportFailure({ log, metrics }: Reporting, { webhook }: Webhook, request: AdmissionRequest, cause: unknown, ms: number): Answer {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  metrics.observe({ webhook, operation: request.operation, decision: 'failed', reason: 'InternalError' }, ms / 1000);
  const { uid, operation, namespace, dryRun } = request;
  log.error(
    {
      event: 'decision',
      webhook,
      operation,
      namespace,
      name: nameOf(request),
      dryRun,
      uid,
      decision: 'failed',
      reason: 'InternalError',
      durationMs: Math.round(ms * 1000) / 1000,
      err: error,
    } satisfies DecisionLine,
    error.message,
  );
  const message = `${webhook}: internal error in review ${request.uid}: ${error.message}; the log of the frp-k8s webhook has its stack`;
  return { status: 500, body: failure(500, message) };
}

/** A Pod of a ReplicaSet has only a generateName yet. */
function nameOf({ name, object }: AdmissionRequest): string | undefined {
  return name ? name : (object as { metadata?: { generateName?: string } } | null | undefined)?.metadata?.generateName;
}
