/** Signatures by node:crypto under what node-forge encodes: forge's own RSA blocks the event loop for tens of milliseconds. */
import { sign, type KeyObject } from 'node:crypto';
import type { asn1, pki } from 'node-forge';

interface Forge {
  asn1: typeof asn1;
}

/**
 * What forge's `sign(key, md)` takes in place of one of its own keys; with SHA-256 as `md`.
 * @param toSign what is signed, asked for when forge has built it
 */
export function signerWith(forge: Forge, key: KeyObject, toSign: () => asn1.Asn1): pki.rsa.PrivateKey {
  const signer = {
    sign: () => sign('sha256', Buffer.from(forge.asn1.toDer(toSign()).getBytes(), 'binary'), key).toString('binary'),
  };
  return signer as never;
}
