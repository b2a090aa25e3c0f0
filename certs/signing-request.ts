/** Certificate signing requests (RFC 2986): made by whoever keeps the key, read by whoever has the authority. */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { asn1 } from 'node-forge';
import { newKey } from './keys.ts';
import { signerWith } from './signer.ts';

const loadForge = async () => (await import('node-forge')).default;

/** Of the PEM: a request with RSA-4096 has some 1,700 characters. */
const mostCharacters = 8192;

/** A new key, and a request for it. What the certificate is to say is the issuer's affair, so the request says next to nothing. */
export async function createSigningRequest(commonName: string): Promise<{ requestPem: string; keyPem: string }> {
  const forge = await loadForge();
  const { publicKey, privateKey } = await newKey.forLeaf();
  const request = forge.pki.createCertificationRequest();
  request.publicKey = forge.pki.publicKeyFromPem(publicKey);
  request.setSubject([{ name: 'commonName', value: commonName }]);
  // The types of forge leave out what it has built to sign.
  const info = () => (request as unknown as { certificationRequestInfo: asn1.Asn1 }).certificationRequestInfo;
  request.sign(signerWith(forge, createPrivateKey(privateKey), info), forge.md.sha256.create());
  return { requestPem: forge.pki.certificationRequestToPem(request).replaceAll('\r\n', '\n'), keyPem: privateKey };
}

/**
 * The public key of a request whose sender has the private one. @returns PEM (SPKI)
 * @throws Error that tells what is wrong, as the end of a sentence
 */
export async function keyOfRequest(requestPem: string): Promise<string> {
  if (requestPem.length > mostCharacters) throw new Error(`it has more than ${mostCharacters} characters`);
  const forge = await loadForge();
  let request;
  try {
    request = forge.pki.certificationRequestFromPem(requestPem);
  } catch (error) {
    throw new Error(`it is no signing request with an RSA key: ${(error as Error).message}`, { cause: error });
  }
  const publicKey = forge.pki.publicKeyToPem(request.publicKey as never).replaceAll('\r\n', '\n');
  const { modulusLength = 0, publicExponent } = createPublicKey(publicKey).asymmetricKeyDetails ?? {};
  // Others are not verified at all: forge would take seconds for a large one.
  if (modulusLength < 2048 || modulusLength > 4096 || publicExponent !== 65537n)
    throw new Error(`its key is RSA-${modulusLength} with exponent ${publicExponent}; RSA-2048 to RSA-4096 with 65537 are taken`);
  if (!isSigned(request)) throw new Error('its signature is not of its key');
  return publicKey;
}

function isSigned(request: { verify(): boolean }): boolean {
  try {
    return request.verify();
  } catch {
    return false;
  }
}
