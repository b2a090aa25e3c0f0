/** Hints for mistyped configuration keys. */
import * as z from 'zod';
import { closest } from '../closest.ts';

/** The key of the schema at `path` that is most like `key`; undefined when none is near. */
export function closestKey(schema: z.ZodType, path: readonly PropertyKey[], key: string): string | undefined {
  const keys = keysAt(schema, path);
  const lower = closest(
    key.toLowerCase(),
    keys.map((known) => known.toLowerCase()),
  );
  return keys.find((known) => known.toLowerCase() === lower);
}

function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.core.$ZodType | undefined = unwrap(schema);
  for (const key of path) {
    if (at instanceof z.ZodArray) at = unwrap(at.element);
    else if (at instanceof z.ZodObject) at = unwrap(at.shape[key as string] as z.core.$ZodType | undefined);
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** Without `.default()`, `.prefault()` and `.optional()`. */
function unwrap(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let at = schema;
  while (at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodOptional) at = at.unwrap();
  return at;
}
