/** What the API server answered instead of an object: its Status, and what was asked. */
export class KubeError extends Error {
  /** HTTP status */
  readonly code: number;
  /** Kubernetes' reason: NotFound, AlreadyExists, Conflict, Invalid, Forbidden, Expired, … */
  readonly reason: string;

  /** @param action what was asked, such as `create Secret prod/frp-api-tls` */
  constructor(action: string, code: number, reason: string, message: string) {
    super(`${action}: ${message} (${code} ${reason})`);
    this.name = 'KubeError';
    this.code = code;
    this.reason = reason;
  }
}

/** @param body a Status object, or anything that a proxy in between may have sent */
export function errorFrom(action: string, code: number, body: unknown): KubeError {
  const { reason, message, code: own } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  return new KubeError(
    action,
    typeof own === 'number' ? own : code,
    typeof reason === 'string' && reason !== '' ? reason : 'Unknown',
    typeof message === 'string' && message !== '' ? message : `HTTP status ${code}`,
  );
}

const is = (reason: string, code: number) => (error: unknown) =>
  error instanceof KubeError && (error.reason === reason || (error.reason === 'Unknown' && error.code === code));

export const isNotFound = is('NotFound', 404);
/** For `catch` of a request: undefined where the object, or its kind, does not exist. @throws every other error */
export function ignoreNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

export const isAlreadyExists = is('AlreadyExists', 409);
export const isConflict = is('Conflict', 409);
/**
 * For `catch` of a request that names a uid: undefined where that object does not exist any more. Another object of its name
 * is answered with a Conflict. @throws every other error
 */
export function ignoreGone(error: unknown): undefined {
  if (!isConflict(error)) ignoreNotFound(error);
}

/** The account has no right to it. */
export const isForbidden = is('Forbidden', 403);
/** The resource version is too old to list or watch from: list anew. */
export const isExpired = (error: unknown) => error instanceof KubeError && error.code === 410;
