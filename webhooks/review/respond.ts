/** Writes the answers that kube-apiserver reads: AdmissionReview v1 responses, and Status for failed calls. */
import { reviewVersion } from './parse.ts';
import type { Decision } from './types.ts';

/** The API server cuts single warnings at this many characters, and all of them at the total (KEP-1693; apiserver warning.go). */
export const warningLimit = 256;
export const warningsLimit = 4096;

/**
 * The body that answers a review: its uid, allowed or not, the denial's text, warnings, and a patch with its type or
 * neither (a patch alone counts as a failed call). A denial is a 403 whose cause names the decision's reason.
 */
export function respond(uid: string, decision: Decision): string {
  let response = `"uid":${JSON.stringify(uid)},"allowed":${decision.outcome !== 'denied'}`;
  if (decision.outcome === 'denied') response += `,"status":${JSON.stringify(denial(decision))}`;
  else if (decision.outcome === 'patched') response += patchMembers(decision);
  if (decision.warnings.length > 0) response += `,"warnings":${JSON.stringify(boundedWarnings(decision.warnings))}`;
  return `{"apiVersion":"${reviewVersion}","kind":"AdmissionReview","response":{${response}}}`;
}

function denial({ message, reason }: Decision) {
  return { status: 'Failure', code: 403, reason: 'Forbidden', message, details: { causes: [{ reason }] } };
}

function patchMembers({ patch, patchBase64 }: Decision): string {
  const base64 = patchBase64 ?? (patch && patch.length > 0 ? Buffer.from(JSON.stringify(patch)).toString('base64') : '');
  return base64 === '' ? '' : `,"patchType":"JSONPatch","patch":"${base64}"`;
}

/** Warnings as the API server passes them on: without control characters, each and all of them within its limits. */
export function boundedWarnings(warnings: readonly string[]): string[] {
  const kept: string[] = [];
  let total = 0;
  for (const warning of warnings) {
    const text = truncate(warning.replace(/\p{Cc}+/gu, ' '), warningLimit);
    const length = [...text].length;
    if (total + length > warningsLimit) break;
    total += length;
    kept.push(text);
  }
  return kept;
}

function truncate(text: string, limit: number): string {
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join('')}…`;
}

/**
 * The body of an HTTP error: a Status, whose message kube-apiserver passes on to the user ("failed calling webhook").
 * With 5xx the webhook's failurePolicy decides about the object.
 */
export function failure(code: number, message: string): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Status', status: 'Failure', code, reason: reasons[code], message });
}

const reasons: Record<number, string> = {
  400: 'BadRequest',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  408: 'Timeout',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  500: 'InternalError',
};
