/** Names of proxies on the frp server (client-config.ts makes them), read back: whose they are, and of which backend. */
import { isObject } from '../model/json.ts';
import { portIn, rolePortName } from '../model/ports.ts';

/** What a sidecar's configuration serves: one service, at one port of the Pod or several. */
export interface Membership {
  service: string;
  /** the first one's */
  port: number;
  /** of a service with several: by their names */
  ports?: Record<string, number>;
  /** what each of its proxies is for: the hash in its name (partsOf of parts.ts) */
  parts: string[];
  /** whether it goes to the gateway, and not to the plain frp server */
  isGateway: boolean;
}

/** The services that a sidecar's configuration names; none where it is not one of ours. @param text JSON of frpc's configuration */
export function membershipsIn(text: string, namespace: string): Membership[] {
  const found = new Map<string, Membership>();
  const { proxies, isGateway } = configurationOf(text);
  for (const proxy of proxies) {
    const { service, part } = nameIn(proxy, namespace) ?? {};
    const { localPort, metadatas } = isObject(proxy) ? proxy : {};
    const port = portIn(metadatas);
    if (service === undefined || part === undefined || typeof localPort !== 'number' || port === rolePortName) continue;
    const member = found.get(service) ?? { service, port: localPort, parts: [], isGateway };
    found.set(service, member);
    member.parts.push(part);
    if (port !== undefined) member.ports = { ...member.ports, [port]: localPort };
  }
  return [...found.values()];
}

/** The service of a proxy of a sidecar's configuration; undefined where it is not one of ours. */
export const serviceIn = (proxy: unknown, namespace: string): string | undefined => nameIn(proxy, namespace)?.service;

function nameIn(proxy: unknown, namespace: string): { service: string; part: string } | undefined {
  const { name } = isObject(proxy) ? proxy : {};
  if (typeof name !== 'string' || !name.startsWith(`${namespace}.`)) return undefined;
  // <namespace>.<service>.<hash>.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}
  const [, service, part] = /^(.+)\.([0-9a-f]{8})\.\{\{/.exec(name.slice(namespace.length + 1)) ?? [];
  return service === undefined || part === undefined ? undefined : { service, part };
}

/** The gateway alone asks for tokens (client-config.ts). */
function configurationOf(text: string): { proxies: unknown[]; isGateway: boolean } {
  try {
    const { proxies, auth } = JSON.parse(text) as { proxies?: unknown; auth?: { method?: unknown } };
    return { proxies: Array.isArray(proxies) ? proxies : [], isGateway: auth?.method === 'oidc' };
  } catch {
    return { proxies: [], isGateway: false };
  }
}

/** A namespace, a service's name and a Pod's name of 253 characters each, a hash and an id have no more; frp clients may say anything. */
const mostParts = 512;

/**
 * The service (namespace/name), what the proxy is for (partsOf of parts.ts) and the backend's id in the name of a proxy;
 * undefined for the proxies of others.
 * @param user frpc's user, which the server puts before the name
 */
export function ownerOf(proxy: string, user?: string): { service: string; part: string; id: string } | undefined {
  if (user !== undefined && !proxy.startsWith(`${user}.`)) return undefined;
  const parts = (user === undefined ? proxy : proxy.slice(user.length + 1)).split('.', mostParts + 1);
  const [namespace, id] = [parts[0], parts.at(-1)];
  const hash = parts.findIndex((part, index) => index >= 2 && index < parts.length - 1 && /^[0-9a-f]{8}$/.test(part));
  const service = parts.slice(1, hash).join('.');
  if (hash < 0 || parts.length > mostParts || !namespace || !service || !id) return undefined;
  return { service: `${namespace}/${service}`, part: parts[hash]!, id };
}
