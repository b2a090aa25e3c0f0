/**
 * Replacing the authority of a gateway outside any cluster, by the steps of certs/rotation.ts. Whoever takes a step writes it to
 * the directory; every file is replaced as a whole, in an order in which a step that was cut short is taken again.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { parseAuthority, type Authority } from '../../../certs/authority.ts';
import type { AuthorityState } from '../../../certs/rotation.ts';
import { replaceFile } from '../../process/replace-file.ts';

const file = (directory: string, name: string): string => join(directory, 'identity', name);
const schema = z.object({ phase: z.enum(['spread', 'reissue']), since: z.number(), nextKeyPem: z.string().optional() });

/** The authority as it is kept, and how far a rotation of it is. @throws Error where a file is missing or damaged */
export function authorityStateOf(directory: string): AuthorityState {
  const read = (name: string) => readFileSync(file(directory, name), 'utf8');
  const authority = parseAuthority(read('ca.crt'), read('ca.key'));
  const text = textOf(file(directory, 'rotation.json'));
  const { phase, since, nextKeyPem } = text === undefined ? stable : schema.parse(JSON.parse(text));
  return { authority, phase, since, ...(nextKeyPem !== undefined && { nextKeyPem }), isRequested: false };
}

const stable = { phase: 'stable', since: 0, nextKeyPem: undefined } as const;

/** Signs what is to last: in phase `spread` the next authority, which everybody that is told of it trusts already. */
export const lastingAuthority = ({ authority, nextKeyPem }: AuthorityState): Authority =>
  nextKeyPem === undefined ? authority : parseAuthority(authority.bundlePem, nextKeyPem);

/** @param issuer claim `iss` of clients' tokens, which a new authority does not change */
export async function storeAuthorityState(directory: string, state: AuthorityState, issuer: string): Promise<void> {
  const { authority, phase, since, nextKeyPem } = state;
  await replaceFile(file(directory, 'issuer'), `${issuer}\n`);
  await replaceFile(file(directory, 'ca.crt'), authority.bundlePem);
  await replaceFile(file(directory, 'ca.key'), authority.keyPem);
  if (phase === 'stable') rmSync(file(directory, 'rotation.json'), { force: true });
  else await replaceFile(file(directory, 'rotation.json'), `${JSON.stringify({ phase, since, nextKeyPem })}\n`);
}

/** undefined before the first rotation */
export const keptIssuer = (directory: string): string | undefined => textOf(file(directory, 'issuer'))?.trim();

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
