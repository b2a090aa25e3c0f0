/** URLs of proxies: http://HOST:PORT or socks5://HOST:PORT, with user and password before the host where the proxy wants them. */

/** Whether a text is such a URL without anything that would be a secret. */
export const isProxy = (value: string): boolean =>
  /^(http|socks5):\/\/([A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):[0-9]{1,5}\/?$/.test(value) && URL.canParse(value);

export interface Credentials {
  user: string;
  password: string;
}

/** @param proxy URL without user and password */
export const proxyWith = (proxy: string, { user, password }: Credentials): string =>
  proxy.replace('://', () => `://${encodeURIComponent(user)}:${encodeURIComponent(password)}@`);

export interface Proxy {
  scheme: 'http' | 'socks5';
  host: string;
  port: number;
  /** HOST:PORT, to be shown */
  name: string;
  credentials: Credentials | undefined;
}

/** @param proxy as above */
export function parseProxy(proxy: string): Proxy {
  const { protocol, hostname, host, port, username, password } = new URL(proxy);
  return {
    scheme: protocol === 'socks5:' ? 'socks5' : 'http',
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 80 : Number(port),
    name: host,
    credentials: username === '' ? undefined : { user: decodeURIComponent(username), password: decodeURIComponent(password) },
  };
}
