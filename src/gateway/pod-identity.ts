/** Names of proxies at the gateway: `<namespace>.<service>.<hash8>.<pod>.<uid>`, of connectors `….<pod>.<hash12>-<uid>`. */

export interface ProxyName {
  service: string;
  /** what tells the backend from others of its service: the Pod's UID, of connectors hash12-UID (connector-config.ts) */
  backendId: string;
}

/** What the name says, where it is one that this Pod may take; otherwise undefined. */
export function parseProxyName(name: string, { namespace, pod, uid }: Identity): ProxyName | undefined {
  const start = `${namespace}.`;
  const [, middle, backendId] = /^(.+)\.([^.]+)$/.exec(name) ?? [];
  if (middle === undefined || backendId === undefined) return undefined;
  if (!middle.startsWith(start) || !middle.endsWith(`.${pod}`)) return undefined;
  if (backendId !== uid && backendId.replace(/^[0-9a-f]{12}-/, '') !== uid) return undefined;
  const [, service] = /^([a-z0-9][-a-z0-9.]*)\.[0-9a-f]{8}$/.exec(middle.slice(start.length, -pod.length - 1)) ?? [];
  return service === undefined ? undefined : { service, backendId };
}

/** An identity as the `user` of an frp session: frps' API tells it of each proxy, so an agent that restarts knows whose it is. */
export const userOf = ({ cluster, namespace, pod, uid }: Identity): string => [namespace, pod, uid, cluster].join('/');

/** undefined for what is not of this gateway's making */
export function identityIn(user: string): Identity | undefined {
  const [, namespace, pod, uid, cluster] = /^([^/]+)\/([^/]+)\/([^/]+)\/(.*)$/s.exec(user) ?? [];
  return namespace === undefined ? undefined : { namespace, pod: pod!, uid: uid!, cluster: cluster! };
}

/** A Pod, as its token proves it. */
export interface Identity {
  /** empty: the gateway's own */
  cluster: string;
  namespace: string;
  pod: string;
  uid: string;
}
