/** What may be wrong with Secrets and certificates of a service: reasons of CertificatesReady and ConfigurationValid. */
import { denials } from './admission.ts';
import type { ReasonText } from './text.ts';

const labelIt = 'kubectl -n NAMESPACE label secret NAME frp.io/use=true';

export const secretReasons = {
  NameTaken: denials.NameTaken,
  SecretMissing: {
    meaning: 'A Secret that the service names is not there, or the program may not read it.',
    cause: 'It does not exist, or has no label frp.io/use: "true".',
    remedy: `Create it, or allow its use: ${labelIt}`,
  },
  SecretNotLabelled: {
    meaning: 'The Secret is there, and is not read, because nobody has allowed it.',
    cause: 'The label frp.io/use: "true" is missing.',
    remedy: labelIt,
  },
  SecretNotNamed: {
    meaning: 'Mode manual needs two Secrets, and the service names one or none.',
    cause: 'spec.security.mtls.caSecret or certSecret is missing.',
    remedy: 'Name both.',
  },
  SecretAmbiguous: {
    meaning: 'Two services use one Secret with different types of authentication, so nobody gets it.',
    cause: 'What is a name in one type is a key in another.',
    remedy: 'Give each type a Secret of its own.',
  },
  SecretsForbidden: {
    meaning: 'The controller may not read the Secrets of the namespace.',
    cause: 'controller.secrets is "namespaces", and the namespace has no RoleBinding.',
    remedy: 'An administrator creates it; the message has the command.',
  },
  CredentialsMissing: {
    meaning: 'The Secret has none of the keys that the type of authentication wants.',
    cause: 'A slip in a key, or the Secret is for something else.',
    remedy: 'Put the key there that the message names.',
  },
  CredentialsUnusable: {
    meaning: 'A key of the Secret has a value that cannot be used.',
    cause: 'The value has another form than its type of authentication wants.',
    remedy: 'Correct the key that the message names.',
  },
  CertificateUnusable: {
    meaning: 'Certificate and key of the Secret cannot be used together; the last good ones are served on.',
    cause: 'They do not belong together, or are no PEM.',
    remedy: 'Put a certificate and its own key into tls.crt and tls.key.',
  },
  CertificateExpired: {
    meaning: 'A certificate has ended.',
    cause: 'Nobody has renewed it.',
    remedy: 'Have another one issued.',
  },
  CertificateExpiresSoon: {
    meaning: 'A certificate ends soon, and nobody has renewed it.',
    cause: 'Whoever renews it has not, or cannot.',
    remedy: 'Have it renewed before the time that the message has.',
  },
  CertificateHostMismatch: {
    meaning: 'The certificate is not for the hosts of the service.',
    cause: 'It was issued for other names.',
    remedy: 'Have one issued for the hosts that the message names.',
  },
  CertificateForbidden: {
    meaning: 'The controller may not write the Certificate of cert-manager.',
    cause: 'A right or a policy is missing.',
    remedy: 'Apply manifests/install again.',
  },
  CertManagerMissing: {
    meaning: 'cert-manager is asked for, and the cluster does not have it.',
    cause: 'The cluster does not serve cert-manager.io/v1.',
    remedy: 'Install cert-manager, or use a Secret with a certificate of yours.',
  },
  Issuing: {
    meaning: 'A certificate has not been issued yet.',
    cause: 'cert-manager waits for something; the message has what.',
    remedy: 'kubectl -n NAMESPACE describe certificate NAME',
  },
  IssuerNotAllowed: {
    meaning: 'The service may not use this issuer.',
    cause: 'A ClusterIssuer that certificates.usersIssuers of the configuration does not give to the namespace.',
    remedy: 'Use an Issuer of the namespace, or have the configuration changed.',
  },
  Unreadable: {
    meaning: 'A certificate of a Secret cannot be read.',
    cause: 'It is no PEM.',
    remedy: 'Put PEM under the key that the message names.',
  },
  NotYetValid: {
    meaning: 'A certificate is not valid yet.',
    cause: 'It begins later, or a clock is wrong.',
    remedy: 'Wait, or replace it.',
  },
  KeyMismatch: {
    meaning: 'The key does not belong to the certificate.',
    cause: 'One of the two was replaced alone.',
    remedy: 'Put both of one pair into the Secret.',
  },
  WrongUsage: {
    meaning: 'The certificate is not for clients.',
    cause: 'Its extended key usage lacks clientAuth.',
    remedy: 'Have one issued for clientAuth.',
  },
  WrongIssuer: {
    meaning: 'The client certificate was not issued by the authority beside it.',
    cause: 'certSecret and caSecret are not of one issuer.',
    remedy: 'Put the issuer of tls.crt under ca.crt of the Secret that caSecret names.',
  },
  NotAnAuthority: {
    meaning: 'What is under ca.crt is no certificate authority.',
    cause: 'A leaf was put there in place of its issuer.',
    remedy: 'Put the issuer under ca.crt.',
  },
  AuthorityExpired: {
    meaning: 'A certificate authority has ended.',
    cause: 'Nobody has renewed it.',
    remedy: 'Put a newer one there.',
  },
  AuthorityTooLarge: {
    meaning: 'ca.crt has more authorities, or bytes, than are taken.',
    cause: 'A bundle of public authorities was put there.',
    remedy: 'Keep only the ones that issue.',
  },
  AuthorityNameTaken: {
    meaning: "An authority of ca.crt has the name of the installation's own.",
    cause: 'It was copied from an installation of frp-k8s.',
    remedy: 'Give it another name.',
  },
  Replacing: {
    meaning: 'An object of an earlier service of this name is being replaced.',
    cause: 'The service was deleted and created again.',
    remedy: 'Wait some seconds.',
  },
} as const satisfies Record<string, ReasonText>;

export type SecretReason = keyof typeof secretReasons;
