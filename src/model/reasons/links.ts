/** Why a cluster has no link to a gateway elsewhere, or has not joined it. */
import { fine, type ReasonText } from './text.ts';
import { tunnelRefusals } from './tunnels.ts';

const another = 'One of the two programs is of another version, or something in between changes what they say.';
const sameVersion = 'Run the same version of frp-k8s at both ends; the link is tried again by itself.';
const broken = (meaning: string): ReasonText => ({ meaning, cause: another, remedy: sameVersion });

export const linkReasons = {
  Linked: fine('The link is up.'),
  Starting: tunnelRefusals.Starting,
  NotJoined: {
    meaning: 'The cluster has joined no gateway, or not each that its sidecars dial.',
    cause: 'No token was given, or it has not been used yet; or gateway.addresses still has a gateway that was left.',
    remedy: 'frp-k8s join TOKEN, with a token of frp-k8s gateway token create; or take the address out of gateway.addresses.',
  },
  NotConfigured: {
    meaning: 'The cluster cannot join, because the configuration does not fit the token.',
    cause: 'gateway.addresses does not have the addresses of the gateway, or the other way round.',
    remedy: 'Correct gateway.addresses of the configuration as the message says.',
  },
  Unreachable: {
    meaning: 'The gateway does not answer.',
    cause: 'The address is wrong or does not resolve, the gateway is down, or a firewall is in between.',
    remedy:
      'Start the gateway (frp-k8s gateway up, systemctl start frp-k8s-gateway), or open the way to HOST:PORT of gateway.addresses; the link is tried again by itself. Leave a gateway that is gone for good: frp-k8s join --leave HOST:PORT.',
  },
  ProxyFailed: {
    meaning: 'The proxy on the way to the gateway does not let the link through.',
    cause: 'gateway.proxyURL is wrong, or the proxy wants user and password, or refuses the port.',
    remedy: 'Correct gateway.proxyURL and gateway.proxySecret, or allow the address at the proxy.',
  },
  HandshakeFailed: {
    meaning: 'The gateway refuses the TLS handshake.',
    cause: 'The certificate of the cluster has expired, or a proxy in between ends TLS.',
    remedy: 'Let TLS through unchanged; where the certificate has expired, join again with a new token.',
  },
  PinDiffers: {
    meaning: 'What answers is not the gateway that made the token.',
    cause: 'The address leads to another machine, or the gateway has been set up anew.',
    remedy: 'Make a new token at the gateway that is meant: frp-k8s gateway token create.',
  },
  NoLink: {
    meaning: 'What answers takes no links.',
    cause: 'It is no gateway of frp-k8s, or one of another version.',
    remedy: 'Correct the address, or bring the gateway up to date.',
  },
  Refused: {
    meaning: 'The gateway answered with an error.',
    cause: 'Its log says why.',
    remedy: "See the log of the gateway's agent; the link is tried again by itself.",
  },
  Failed: {
    meaning: 'The gateway failed while it answered.',
    cause: 'A fault of the program, or of its disk.',
    remedy: "See the log of the gateway's agent.",
  },
  TokenInvalid: tunnelRefusals.TokenInvalid,
  TokenExpired: tunnelRefusals.TokenExpired,
  TokenUnknown: {
    meaning: 'The gateway has made no such token.',
    cause: 'The token is of another gateway, or was used or removed long ago.',
    remedy: 'Make a new one at this gateway: frp-k8s gateway token create.',
  },
  TokenUsed: {
    meaning: 'Another cluster has joined with the token already.',
    cause: 'A token is good for one cluster.',
    remedy: 'Make another one: frp-k8s gateway token create.',
  },
  NoCertificate: {
    meaning: 'The cluster shows the gateway no certificate.',
    cause: 'It has not joined.',
    remedy: 'frp-k8s join TOKEN.',
  },
  CertificateInvalid: {
    meaning: 'The gateway does not take the certificate of the cluster.',
    cause: 'It has expired while the link was down for long, or it is of another gateway.',
    remedy: 'Join again with a new token: frp-k8s gateway token create, frp-k8s join TOKEN.',
  },
  ClockDiffers: {
    meaning: 'The clocks of cluster and gateway differ so much that no certificate is good at both.',
    cause: 'One of them has a wrong time.',
    remedy: 'Set the clock that the message names, by NTP.',
  },
  RequestInvalid: broken("The gateway cannot use the cluster's certificate request."),
  ClusterRemoved: {
    meaning: 'The gateway has removed the cluster.',
    cause: 'frp-k8s gateway clusters remove.',
    remedy: 'Join again with a new token, or leave the gateway for good: frp-k8s join --leave HOST:PORT.',
  },
  JoinedAnew: {
    meaning: 'The certificate is of before the cluster joined again.',
    cause: 'The cluster has joined a second time.',
    remedy: 'None is needed: the controller dials with the newer one.',
  },
  Replaced: {
    meaning: 'Another controller of the cluster has a newer link.',
    cause: 'Another replica of the controller leads now; or two clusters use one certificate.',
    remedy: 'None is needed for the first; otherwise join each cluster with a token of its own.',
  },
  Silent: {
    meaning: 'The other end has not answered for a while.',
    cause: 'The network in between drops what is sent, or the other end hangs.',
    remedy: 'See whether the network keeps idle connections; the link is tried again by itself.',
  },
  Closing: {
    meaning: 'The gateway is stopping.',
    cause: 'A restart of it.',
    remedy: 'None is needed: the link is tried again by itself.',
  },
  Closed: {
    meaning: 'The connection was ended.',
    cause: 'The gateway has restarted, or something in between ended it.',
    remedy: 'None is needed: the link is tried again by itself.',
  },
  EndedByOther: {
    meaning: 'The other end ended the link, and said why.',
    cause: 'The message has it.',
    remedy: 'Do what the message says; the link is tried again by itself.',
  },
  NotFound: broken('The gateway knows no such request.'),
  NotAMessage: broken('Something came that is no message of the protocol.'),
  OutOfOrder: broken('Messages came in an order that is not possible.'),
  MessageTooLarge: broken('A message has more bytes than are taken.'),
  MessageCutOff: broken('The link ended within a message.'),
  NotReading: broken('The other end tells and does not read.'),
  VersionDiffers: broken('The two ends speak no common version of the protocol.'),
  TooMuch: {
    meaning: 'The cluster wants more of the gateway than it may have.',
    cause: 'More services, Pods or bytes than the bounds of a joined cluster.',
    remedy: 'Spread the services over clusters or gateways; docs/guide/gateway-anywhere.md has the bounds.',
  },
  TooOften: {
    meaning: 'The gateway has been asked too often.',
    cause: 'Many tries with wrong tokens, or many renewals at once.',
    remedy: 'Wait a minute: it is tried again by itself.',
  },
} as const satisfies Record<string, ReasonText>;

export type LinkReason = keyof typeof linkReasons;

/** Why a gateway does not believe something that a cluster which has joined it tells. */
export const itemRefusals = {
  NotGranted: {
    meaning: "The cluster's token does not allow it what it asks for at the gateway.",
    cause: 'A namespace, host or port that the grant of the token does not have.',
    remedy: 'Make a token with a wider grant at the gateway, and join again: frp-k8s gateway token create --help.',
  },
  NotValid: {
    meaning: 'The gateway cannot use what the cluster tells of a service or a Secret.',
    cause: 'The gateway is of an older version, or the object breaks one of its rules.',
    remedy: 'Do what the message says, or bring the gateway up to date.',
  },
  PodTaken: {
    meaning: 'A Pod of the cluster has the UID of one that the gateway knows from elsewhere.',
    cause: 'The cluster is a copy of another one, with its Pods; or somebody chose the UID.',
    remedy: 'Make the Pods of the copy anew: kubectl delete pod.',
  },
  KeyTaken: {
    meaning: "The key that the cluster's tokens are signed with is that of another cluster at the gateway.",
    cause: 'The cluster has joined under another name before.',
    remedy: 'Remove the other name at the gateway: frp-k8s gateway clusters remove NAME.',
  },
} as const satisfies Record<string, ReasonText>;

export type ItemRefusal = keyof typeof itemRefusals;
