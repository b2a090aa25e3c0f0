/** An authority with the name and the key id of another, and a key of its own. */
import forge from 'node-forge';

export function impersonatorOf(certPem: string): string {
  const theirs = forge.pki.certificateFromPem(certPem);
  // Nothing is signed with it: a short key will do.
  const keys = forge.pki.rsa.generateKeyPair(1024);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  certificate.serialNumber = theirs.serialNumber;
  certificate.validity.notBefore = theirs.validity.notBefore;
  certificate.validity.notAfter = theirs.validity.notAfter;
  certificate.setSubject(theirs.subject.attributes);
  certificate.setIssuer(theirs.subject.attributes);
  certificate.setExtensions(theirs.extensions);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}
