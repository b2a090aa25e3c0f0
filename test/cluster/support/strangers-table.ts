/** What a Pod without credentials gets, port by port: the table of docs/guide/security.md, with how to ask for it. */

/** One request of a stranger, and all that it may get for it. */
export interface Question {
  /** with ADDRESS in place of the Pod's */
  url: string;
  /** HTTP status; 000 where no HTTP is spoken */
  status: string;
  /** what the answer, or curl in place of one, says */
  says?: RegExp;
}

/** A port that a process of a part listens at. */
export interface Row {
  part: Part;
  port: number;
  /** the row is of some ports from `port` up to this one */
  until?: number;
  protocol?: 'udp';
  /** as the guide has it */
  gets: string;
  /** the port is open on the Pod's own loopback alone */
  isLoopback?: true;
  asks?: readonly Question[];
  /** the answer may name services: no look for names */
  tellsNames?: true;
}

/** By the label `app` of its Pods. */
export type Part = 'frp-webhook' | 'frp-controller' | 'frp-server' | 'frp-gateway';

const http = (port: number, path: string, status: string, says?: RegExp): Question => ({
  url: `http://ADDRESS:${port}${path}`,
  status,
  ...(says && { says }),
});
const https = (port: number, path: string, status: string, says?: RegExp): Question => ({
  ...http(port, path, status, says),
  url: `https://ADDRESS:${port}${path}`,
});
const wantsCertificate = /certificate required/;
const noSession = /reset|EOF|certificate required/;
const operations = (port: number): Question[] => [
  http(port, '/healthz', '200'),
  http(port, '/readyz', '200'),
  http(port, '/metrics', '200'),
  http(port, '/api', '404'),
];
const loopback = (port: number, gets: string): Row => ({ part: 'frp-gateway', port, gets, isLoopback: true });

export const rows: readonly Row[] = [
  {
    part: 'frp-webhook',
    port: 8443,
    gets: 'answers to reviews, without names (above); with `webhook.clientCAFile` no TLS session',
    asks: [https(8443, '/', '404')],
  },
  { part: 'frp-webhook', port: 8080, gets: 'health, readiness, metrics without names', asks: operations(8080) },
  {
    part: 'frp-controller',
    port: 8080,
    gets: 'health, readiness; metrics, whose labels have namespaces and names of services',
    asks: operations(8080),
    tellsNames: true,
  },
  {
    part: 'frp-server',
    port: 7000,
    gets: 'no TLS session without a client certificate',
    asks: [https(7000, '/', '000', wantsCertificate)],
  },
  {
    part: 'frp-server',
    port: 7500,
    gets: 'health; else 401 without the password of Secret `frp-server-api`',
    asks: [http(7500, '/healthz', '200'), http(7500, '/api/proxy/http', '401'), http(7500, '/metrics', '401')],
  },
  { part: 'frp-server', port: 8080, gets: 'what users get (http): 404 for an unknown host', asks: [http(8080, '/', '404')] },
  {
    part: 'frp-server',
    port: 8443,
    gets: 'what users get (https): no TLS session for an unknown name',
    asks: [https(8443, '/', '000', /unrecognized name/)],
  },
  {
    part: 'frp-gateway',
    port: 7000,
    gets: 'no TLS session without a client certificate',
    asks: [https(7000, '/', '000', wantsCertificate)],
  },
  { part: 'frp-gateway', port: 8080, gets: 'what users get (http): 404 for an unknown host', asks: [http(8080, '/', '404')] },
  {
    part: 'frp-gateway',
    port: 8443,
    gets: 'what users get (https): no TLS session for an unknown name',
    asks: [https(8443, '/', '000', /unrecognized name/)],
  },
  {
    part: 'frp-gateway',
    port: 8081,
    gets: 'health, readiness; metrics, whose labels have namespaces and names of services',
    asks: [...operations(8081), http(8081, '/startedz', '200')],
    tellsNames: true,
  },
  {
    part: 'frp-gateway',
    port: 10000,
    gets: 'no TLS session without the certificate of a replica',
    asks: [https(10000, '/', '000', wantsCertificate), http(10000, '/', '000', noSession)],
  },
  {
    part: 'frp-gateway',
    port: 10001,
    gets: 'no TLS session without the certificate of a replica',
    asks: [https(10001, '/', '000', noSession), http(10001, '/', '000', noSession)],
  },
  {
    part: 'frp-gateway',
    port: 10002,
    gets: 'whether this replica serves users',
    asks: [http(10002, '/healthz', '200'), http(10002, '/', '200')],
  },
  {
    part: 'frp-gateway',
    port: 10003,
    gets: 'whether this replica takes tunnels',
    asks: [http(10003, '/healthz', '200'), http(10003, '/', '200')],
  },
  {
    part: 'frp-gateway',
    port: 10004,
    gets: '401 without the password of Secret `frp-server-api`',
    asks: [https(10004, '/api/proxy/tcp', '401'), https(10004, '/', '401'), http(10004, '/', '000', noSession)],
  },
  { ...loopback(10_005, 'nothing: the tunnels of members, for the HAProxy of users'), until: 32_000 },
  loopback(7001, 'nothing: frps, for the HAProxy of tunnels'),
  loopback(7400, 'nothing: the agent, for frps'),
  loopback(7500, 'nothing: the API of frps, for the agent'),
  { ...loopback(7514, 'nothing: the agent, for the log of HAProxy'), protocol: 'udp' },
];
