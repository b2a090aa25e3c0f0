/** How a request of users ended, or a connection (docs/reference/logs.md). */
import { fine, type ReasonText } from './text.ts';

export const requestEnds = {
  Completed: fine('The backend answered, and the user got the answer whole; or a connection ended as one of the two wished.'),
  Redirected: fine('The gateway sent the user elsewhere, to https.'),
  Preflight: fine('The gateway answered the question of a browser whether it may ask (CORS).'),
  ChallengeAnswered: fine('The gateway answered an ACME server that asked whether a host is its own.'),
  HandedOver: fine('The connection went to another replica of the gateway, because no backend of this one could take it.'),
  NotAuthenticated: {
    meaning: 'The user showed no credential, or one that is not known.',
    cause: 'A missing, mistyped, expired or withdrawn token, key or password.',
    remedy: 'Show a credential that the service takes; the answer says what it looks for.',
  },
  NotAllowed: {
    meaning: 'Who the user is, is known, and an access rule does not let them through.',
    cause: 'No rule of spec.security.authorization allows this method and path for their roles.',
    remedy: 'Give the user the role, or change the rules of the service.',
  },
  AccessUnknown: {
    meaning: 'The gateway does not know who may use the service, so it lets nobody in; no backend was asked.',
    cause: 'The Secret with its tokens, keys or passwords is missing or has no label frp.io/use, or its issuer was never reached.',
    remedy: 'Run frp-k8s explain service NAME -n NAMESPACE, which says what is missing.',
  },
  NotPublished: {
    meaning: 'No service is published under this host, path or port.',
    cause: 'A slip in the name, a service that is not there any more, or somebody who scans.',
    remedy: 'Ask which services have the host: frp-k8s explain host HOST.',
  },
  TooManyRequests: {
    meaning: 'A limit of the service was reached.',
    cause: 'More requests than spec.rateLimit allows.',
    remedy: 'Ask less often, or raise the limit.',
  },
  BadRequest: {
    meaning: 'The gateway does not take the request as it is written.',
    cause: 'It is malformed, too large, or can be read in two ways.',
    remedy: 'Correct the client; the answer says what is wrong.',
  },
  UserGone: {
    meaning: 'The user ended the connection before the end of the answer.',
    cause: 'A closed window, a timeout of the client, or its network.',
    remedy: 'None is needed, unless durationMs says that the backend is too slow for its clients.',
  },
  UserTooSlow: {
    meaning: 'The user did not send the request, or did not take the answer, in time.',
    cause: 'A slow network, or somebody who holds connections open.',
    remedy: 'None is needed; without a request within ten seconds a connection is ended.',
  },
  NoBackend: {
    meaning: 'No backend of the service could be asked.',
    cause: 'None is connected, all are unhealthy, or all are at their limit of connections.',
    remedy: 'Run frp-k8s explain service NAME -n NAMESPACE, which says what is wrong with each backend.',
  },
  BackendFailed: {
    meaning: 'The backend gave no valid answer, or broke it off.',
    cause: 'The app crashed or restarted, its Pod ended, or the tunnel to it did.',
    remedy: "Read the app's log at that time, and the sidecar's.",
  },
  BackendTooSlow: {
    meaning: 'The backend did not answer in time.',
    cause: 'It needs longer than spec.advanced.timeout.request allows, or hangs.',
    remedy: 'Raise spec.advanced.timeout.request if the app may need so long, or mend the app.',
  },
  BackendWithdrawn: {
    meaning: 'The gateway ended the connection, because the backend may not be used any more.',
    cause: 'Its health check or its role took it out, or an old process of HAProxy was ended.',
    remedy: 'None is needed where clients connect again; otherwise see the health of the backend.',
  },
  GatewayFailed: {
    meaning: 'The gateway could not do what it should.',
    cause: 'It lacks memory or connections, or has a fault.',
    remedy: 'See the log of the agent and frp_gateway_connections beside frp_gateway_connections_max.',
  },
} as const satisfies Record<string, ReasonText>;

export type RequestEnd = keyof typeof requestEnds;
