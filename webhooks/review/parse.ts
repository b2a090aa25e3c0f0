/** Reads the AdmissionReview v1 that kube-apiserver sends (k8s.io/api/admission/v1; KEP-1872 for versions). */
import type { AdmissionRequest, AdmissionReview } from './types.ts';

export const reviewVersion = 'admission.k8s.io/v1';

/** A request that is no review: the HTTP status to answer, and what is wrong with it. */
export interface ProtocolError {
  status: 400;
  message: string;
}

export type ParsedReview = { review: AdmissionReview; error?: undefined } | { review?: undefined; error: ProtocolError };

const operations = new Set<unknown>(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']);

/** The review in an HTTP body, or why it is none. `request.object` is passed on as it came, unknown fields included. */
export function parseReview(body: Buffer | undefined): ParsedReview {
  if (body === undefined || body.length === 0) return refuse('the body is empty; expected an AdmissionReview as JSON');
  let value: unknown;
  try {
    // One copy to a string that V8 can parse; a Buffer's bytes are never parsed in place.
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    return refuse(`the body is not JSON: ${(error as Error).message}`);
  }
  const problem = reviewProblem(value);
  return problem === undefined ? { review: value as AdmissionReview } : refuse(problem);
}

function reviewProblem(value: unknown): string | undefined {
  if (!isObject(value)) return `the body is ${describe(value)}; expected an AdmissionReview object`;
  if (value.kind !== 'AdmissionReview') return `kind is ${describe(value.kind)}; expected "AdmissionReview"`;
  if (value.apiVersion !== reviewVersion) {
    return (
      `apiVersion is ${describe(value.apiVersion)}; only "${reviewVersion}" is served: ` +
      `set admissionReviewVersions: ["v1"] in the webhook configuration`
    );
  }
  return isObject(value.request) ? requestProblem(value.request) : 'request is missing';
}

function requestProblem({ uid, operation }: Partial<AdmissionRequest>): string | undefined {
  if (typeof uid !== 'string' || uid === '') return `request.uid is ${describe(uid)}; expected the review's identifier`;
  if (!operations.has(operation)) return `request.operation is ${describe(operation)}; expected CREATE, UPDATE, DELETE or CONNECT`;
  return undefined;
}

const refuse = (message: string): ParsedReview => ({ error: { status: 400, message } });

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Short, so that an answer never repeats a large or secret body. */
function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  return typeof value === 'object' ? 'an object' : `${typeof value} ${JSON.stringify(value)}`;
}
