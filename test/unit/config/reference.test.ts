import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import * as z from 'zod';
import { configSchema } from '../../../src/config/schema.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../../docs/reference/configuration.md'), 'utf8');

function unwrap(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodOptional) at = at.unwrap();
  return at;
}

function keysOf(schema: unknown, prefix = ''): string[] {
  const at = unwrap(schema);
  if (at instanceof z.ZodArray && unwrap(at.element) instanceof z.ZodObject) return keysOf(at.element, `${prefix}[]`);
  if (!(at instanceof z.ZodObject)) return [prefix];
  return Object.entries(at.shape).flatMap(([key, child]) => keysOf(child, prefix === '' ? key : `${prefix}.${key}`));
}

describe('the reference of the configuration', () => {
  it('has a row for each key, and for no other', () => {
    const rows = [...page.matchAll(/^\| `([a-zA-Z.[\]]+)` \|[^|]*\|[^|]*\|[^|]*\|$/gm)].map(([, key]) => key!);
    assert.deepEqual(rows.sort(), keysOf(configSchema).sort());
  });
});
