/** Sinks of watches, made of others. */
import type { Sink } from './reflector.ts';
import type { KubeObject } from './types.ts';

/** Sinks that are fed alike. */
export const both = <T extends KubeObject>(first: Sink<T>, second: Sink<T>): Sink<T> => ({
  replace: (objects) => {
    first.replace(objects);
    second.replace(objects);
  },
  set: (object) => {
    first.set(object);
    second.set(object);
  },
  delete: (object) => {
    first.delete(object);
    second.delete(object);
  },
});

/**
 * What is kept of the objects of one watch, by UID: another object of the same name has another one.
 * @param valueOf undefined: nothing is kept of it @param kept may be fed by several watches whose selections do not overlap
 */
export function byUid<T extends KubeObject, V>(
  valueOf: (object: T) => V | undefined,
  kept: { set(uid: string, value: V): void; delete(uid: string): void },
): Sink<T> {
  /** by namespace/name */
  const uids = new Map<string, string>();
  const remove = (key: string) => {
    const uid = uids.get(key);
    uids.delete(key);
    if (uid !== undefined) kept.delete(uid);
  };
  const set = (object: T) => {
    const key = keyOf(object);
    const { uid = '' } = object.metadata;
    if (uids.get(key) !== uid) remove(key);
    const value = valueOf(object);
    if (value === undefined) return remove(key);
    uids.set(key, uid);
    kept.set(uid, value);
  };
  return {
    replace: (objects) => {
      const keep = new Set(objects.map(keyOf));
      for (const key of [...uids.keys()]) if (!keep.has(key)) remove(key);
      for (const object of objects) set(object);
    },
    set,
    delete: (object) => {
      if (uids.get(keyOf(object)) === object.metadata.uid) remove(keyOf(object));
    },
  };
}

const keyOf = ({ metadata: { namespace, name } }: KubeObject): string => `${namespace}/${name}`;
