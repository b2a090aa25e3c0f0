/** The name of a group's member at HAProxy, the same on every replica of the gateway. */
import { hash } from 'node:crypto';

/** Name of a service's server. @param key namespace/name @param backendId the end of frp's proxy name: proxy-names.ts `ownerOf` */
export const serverName = (key: string, backendId: string): string => `s-${hash('sha256', `${key} ${backendId}`).slice(0, 16)}`;
