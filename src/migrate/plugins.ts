/** frpc's plugins. Those that only terminate or pass on TLS have a counterpart; for the others it is said what does their work. */
import { addressOf } from './addresses.ts';
import type { Address } from './draft.ts';
import type { Fields } from './fields.ts';
import type { Notes } from './findings.ts';
import { headersOf, hostHeaderOf, type Headers } from './headers.ts';

export interface PluginResult {
  target: Address;
  /** TLS of users ends before the backend, whose type of traffic this is */
  terminates?: 'http' | 'tcp';
  /** Host that the app is asked for, and headers of requests */
  hostHeader?: string;
  requestHeaders?: Headers | undefined;
}

const remedies: Readonly<Record<string, string>> = {
  unix_domain_socket:
    'run what listens on a port and writes to the socket beside the app (socat TCP-LISTEN:8080,fork UNIX-CONNECT:/path), and expose that port',
  http_proxy: 'run a forward proxy as a Pod, which asks for the password itself, and expose its port',
  socks5: 'run a SOCKS server as a Pod, which asks for the password itself, and expose its port',
  static_file: 'run a web server as a Pod with the files in a volume, and expose that',
  virtual_net: 'keep frpc for it',
};

/** Undefined where the proxy becomes no service. */
export function pluginOf(type: string, proxyType: string, plugin: Fields, notes: Notes): PluginResult | undefined {
  plugin.ignore('type');
  if (Object.hasOwn(remedies, type)) {
    plugin.ignore('unixPath', 'httpUser', 'httpPassword', 'username', 'password', 'localPath', 'stripPrefix');
    notes.lost('plugin', `${type}: no counterpart: ${remedies[type]}`);
    return undefined;
  }
  const address = plugin.text('localAddr');
  const target = address === undefined ? undefined : addressOf(address);
  const rewrites = plugin.text('hostHeaderRewrite');
  const headers = plugin.child('requestHeaders').textsByName('set');
  const files = [plugin.text('crtPath'), plugin.text('keyPath')];
  if (plugin.flag('enableHTTP2') === false)
    notes.differs(
      'plugin.enableHTTP2',
      'no counterpart: the gateway offers HTTP/2 to users, and those who do not want it ask for HTTP/1.1',
    );
  if (!['https2http', 'https2https', 'http2https', 'http2http', 'tls2raw'].includes(type)) {
    notes.lost(
      'plugin',
      `${JSON.stringify(type)} is no plugin that migrate knows; keep frpc for it, or let a program beside the app do its work`,
    );
    return undefined;
  }
  if (type === 'https2https' || type === 'http2https') {
    notes.lost(
      'plugin',
      `${type}: no counterpart: backends are not spoken to by TLS. Let the app listen without TLS too and expose that port, or pass TLS through to it: serviceType tcp with expose.domain, and a certificate of the app's own for that host`,
    );
    return undefined;
  }
  if (!target) {
    notes.lost('plugin.localAddr', 'must be HOST:PORT, such as 127.0.0.1:80; frp does not serve it otherwise');
    return undefined;
  }
  const isRead = proxyType === 'http' || type === 'https2http';
  const changed = isRead
    ? {
        ...hostHeaderOf(rewrites, 'plugin.hostHeaderRewrite', notes),
        requestHeaders: headersOf(headers, 'plugin.requestHeaders', 'request', notes),
      }
    : undefined;
  if (!isRead && headers.length > 0)
    notes.lost(
      'plugin.requestHeaders',
      `${proxyType}: no counterpart: headers are set of http only. Make it a proxy of type http with customDomains, and run migrate again`,
    );
  if (!isRead && rewrites !== undefined)
    notes.lost(
      'plugin.hostHeaderRewrite',
      `${proxyType}: no counterpart: Host is rewritten of http only. Make it a proxy of type http with customDomains, and run migrate again`,
    );
  if (type === 'http2http') return { target, ...changed };
  if (proxyType !== 'https') {
    notes.lost(
      'plugin',
      `${type}: TLS for users needs a host name: make it a proxy of type https with customDomains, and run migrate again`,
    );
    return undefined;
  }
  if (files.includes(undefined))
    notes.differs(
      'plugin.crtPath',
      'frpc made a certificate of its own, which no user could check; a Secret with one for the host is needed now',
    );
  return { target, terminates: type === 'https2http' ? 'http' : 'tcp', ...changed };
}
