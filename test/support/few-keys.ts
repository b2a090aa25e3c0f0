/**
 * Import it to make certificates at little cost: this process makes a few RSA keys and hands them out in turn, those of
 * authorities and of leaves apart. Two certificates in a row never share a key.
 */
import { mock } from 'node:test';
import { newKey, type RsaKey } from '../../certs/keys.ts';

const few = 6;

for (const purpose of ['forAuthority', 'forLeaf'] as const) {
  const make = newKey[purpose];
  const made: Promise<RsaKey>[] = [];
  let next = 0;
  mock.method(newKey, purpose, () => (made[next++ % few] ??= make()));
}
