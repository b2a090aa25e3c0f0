/** Private keys. node-forge has no ECDSA, so they are RSA; node:crypto makes them, off the event loop. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

/** RSA-2048 as PEM: SPKI and PKCS #8. */
export type RsaKey = { publicKey: string; privateKey: string };

const newRsaKey = (): Promise<RsaKey> =>
  generate('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

/** Each call makes a new key. An object, so that tests which need hundreds of certificates can share a few keys. */
export const newKey = { forAuthority: newRsaKey, forLeaf: newRsaKey };
