/** What became of a question to the API server. A right that is missing is an answer of its own, and never taken for "none". */
import { isForbidden, isNotFound } from '../kube/errors.ts';

export type Read<T> =
  | { ok: T; /** the collection has more objects than were read */ isCut?: true }
  /** what the account may not do: `list pods`, `get Secret frp-system/frp-ca` */
  | { forbidden: string }
  /** the object, or its kind, is not there */
  | { absent: string }
  | { failed: string };

/** Asks once. @param action for people, such as `list pods`; never rejects */
export async function read<T>(action: string, ask: () => Promise<T>): Promise<Read<T>> {
  try {
    return { ok: await ask() };
  } catch (error) {
    if (isForbidden(error)) return { forbidden: action };
    if (isNotFound(error)) return { absent: action };
    return { failed: (error as Error).message };
  }
}

/** What was read; undefined where nothing was. */
export const valueOf = <T>(answer: Read<T>): T | undefined => ('ok' in answer ? answer.ok : undefined);

/** The objects of a collection; none where it could not be read: the check that rests on it says so by `unread`. */
export const itemsOf = <T>(answer: Read<readonly T[]>): readonly T[] => valueOf(answer) ?? [];

/** Why nothing was read, for people; undefined where something was, and where the object or its kind is not there. */
export function unread(answer: Read<unknown>): string | undefined {
  if ('forbidden' in answer) return `this account may not ${answer.forbidden}`;
  return 'failed' in answer ? answer.failed : undefined;
}

/** `make` of what was read; what was not read stays so. */
export const mapRead = <T, U>(answer: Read<T>, make: (value: T) => U): Read<U> =>
  'ok' in answer ? { ...answer, ok: make(answer.ok) } : answer;
