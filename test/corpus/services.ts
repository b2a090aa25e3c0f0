/**
 * DistributedServices and what must become of them, every rule of requirements §D included. The same cases go through
 * the offline validator and, in the cluster suite, through kubectl and a real API server: same verdicts, same texts.
 * The configuration is that of manifests/install.
 */
import type { Layer } from '../../webhooks/distributedservices/offline.ts';

type Spec = Record<string, unknown>;
type Manifest = { apiVersion: string; kind: string; metadata: Record<string, unknown>; spec?: unknown };

export interface ServiceCase {
  name: string;
  object: unknown;
  /** what the object is an update of; it is created before */
  stored?: unknown;
  /** texts that the refusal contains; absent where the object is admitted */
  refused?: string[];
  /** who refuses it */
  layer?: Layer;
  /** texts that the warnings contain */
  warned?: string[];
}

const service = (name: string, spec: unknown, metadata: Record<string, unknown> = {}): Manifest => ({
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name, namespace: 'corpus', ...metadata },
  spec,
});

const discovery = { discovery: { mode: 'auto' } };
const http = (more: Spec = {}): Spec => ({
  serviceType: 'http',
  backends: discovery,
  expose: { type: 'domain', domain: 'new.corpus.example.com' },
  ...more,
});
const tcp = (more: Spec = {}): Spec => ({ serviceType: 'tcp', backends: discovery, expose: { type: 'port', port: 21001 }, ...more });
const udp = (more: Spec = {}): Spec => ({ serviceType: 'udp', backends: discovery, expose: { type: 'port', port: 21002 }, ...more });

const token = { authentication: { type: 'token', tokenSecret: 'keys' } };

/** What the cases about tenancy and duplicates meet. They are in two namespaces, which the suite makes. */
export const corpusNamespaces = ['corpus', 'corpus-other'];
export const standingServices = [
  service('standing-http', http({ expose: { type: 'path', domain: 'standing.corpus.example.com', path: '/taken/' } })),
  service('standing-tcp', tcp({ expose: { type: 'port', port: 21100 } })),
  service('standing-wildcard', http({ expose: { type: 'domain', domain: '*.wild.corpus.example.com' } }), { namespace: 'corpus-other' }),
];

const bad =
  (layer: Layer, make: (more: Spec) => Spec) =>
  (name: string, more: Spec, ...refused: string[]): ServiceCase => ({ name, object: service('bad', make(more)), layer, refused });
const schema = bad('schema', http);
const webhook = bad('webhook', http);
const webhookTcp = bad('webhook', tcp);
const webhookUdp = bad('webhook', udp);

const unsupported = (path: string, value: string, ...values: string[]): string =>
  `${path}: Unsupported value: "${value}": supported values: ${values.map((each) => `"${each}"`).join(', ')}`;
const mustMatch = (path: string, value: string, pattern: string): string =>
  `${path}: Invalid value: "${value}": ${path} in body should match '${pattern}'`;
const unchecked = 'some validation rules were not checked because the object was invalid';
const health = (check: Spec) => ({ loadBalancing: { healthCheck: check } });
const endpoint = { host: 'a.internal', port: 80 };

const decodingCases: ServiceCase[] = [
  {
    name: 'an API version of another seed (B1.1)',
    object: { ...service('bad', http()), apiVersion: 'frp.io/v1' },
    layer: 'decoding',
    refused: ['no matches for kind "DistributedService" in version "frp.io/v1"'],
  },
  {
    name: 'a kind that does not exist',
    object: { ...service('bad', http()), kind: 'DistributedServices' },
    layer: 'decoding',
    refused: ['no matches for kind "DistributedServices" in version "frp.io/v1beta1"'],
  },
  bad('decoding', http)('an unknown field', { routing: [] }, 'strict decoding error: unknown field "spec.routing"'),
  bad('decoding', http)(
    'a misspelt field, deep',
    { loadBalancing: { strategy: 'random', healthCheck: { intervall: '5s' } } },
    'unknown field "spec.loadBalancing.strategy"',
    'unknown field "spec.loadBalancing.healthCheck.intervall"',
  ),
  {
    name: 'an unknown field in an endpoint',
    object: service('bad', http({ backends: { endpoints: [{ ...endpoint, primary: true }] } })),
    layer: 'decoding',
    refused: ['unknown field "spec.backends.endpoints[0].primary"'],
  },
  {
    name: 'an unknown metadata field',
    object: service('bad', http(), { label: { a: 'b' } }),
    layer: 'decoding',
    refused: ['unknown field "metadata.label"'],
  },
  {
    name: 'a label that is a number',
    object: service('bad', http(), { labels: { version: 2 } }),
    layer: 'decoding',
    refused: ['cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string'],
  },
];

const schemaCases: ServiceCase[] = [
  { name: 'no spec', object: { ...service('bad', undefined) }, layer: 'schema', refused: ['spec: Required value'] },
  {
    name: 'a spec that is text',
    object: service('bad', 'http'),
    layer: 'schema',
    refused: ['spec in body must be of type object: "string"'],
  },
  {
    name: 'nothing that is required (S-1)',
    object: service('bad', {}),
    layer: 'schema',
    refused: ['spec.serviceType: Required value', 'spec.backends: Required value', unchecked],
  },
  {
    name: 'null for what is required',
    object: service('bad', { ...http(), backends: null }),
    layer: 'schema',
    refused: ['spec.backends: Required value'],
  },
  schema('serviceType (S-2)', { serviceType: 'smtp' }, unsupported('spec.serviceType', 'smtp', 'http', 'tcp', 'udp', 'grpc')),
  schema(
    'serviceType of a wrong type',
    { serviceType: 5 },
    'spec.serviceType: Invalid value: "integer": spec.serviceType in body must be of type string: "integer"',
    'spec.serviceType: Unsupported value: 5',
  ),
  schema(
    'both kinds of backends (R2.32, S-3)',
    { backends: { ...discovery, endpoints: [endpoint] } },
    'spec.backends: Forbidden: Cannot use both discovery and manual endpoints',
  ),
  schema(
    'no host name and no path (R2.31)',
    { expose: { type: 'port', port: 21003 } },
    'spec.expose: Required value: HTTP service must have domain or path',
  ),
  schema('no exposure at all (R2.31)', { expose: undefined }, 'spec.expose: Required value: HTTP service must have domain or path'),
  schema(
    'manual mTLS without its CA (R2.33)',
    { security: { mtls: { enabled: true, mode: 'manual', certSecret: 'c' } } },
    'spec.security.mtls.caSecret: Required value: Manual mTLS requires caSecret',
  ),
  {
    name: 'the three rules of R2 at once (R2.34)',
    object: service('bad', {
      serviceType: 'http',
      backends: { ...discovery, endpoints: [endpoint] },
      security: { mtls: { enabled: true, mode: 'manual' } },
    }),
    layer: 'schema',
    refused: ['HTTP service must have domain or path', 'Cannot use both discovery and manual endpoints', 'Manual mTLS requires caSecret'],
  },
  schema(
    'discovery mode (S-4)',
    { backends: { discovery: { mode: 'manual' } } },
    unsupported('spec.backends.discovery.mode', 'manual', 'auto', 'selector', 'dns'),
  ),
  schema(
    'the discovery text of other seeds (B1.2)',
    { backends: { discovery: 'auto' } },
    'spec.backends.discovery in body must be of type object: "string"',
  ),
  schema(
    'discovery port (S-5)',
    { backends: { discovery: { port: 0 } } },
    'spec.backends.discovery.port: Invalid value: 0: spec.backends.discovery.port in body should be greater than or equal to 1',
  ),
  schema(
    'endpoint port (S-5)',
    { backends: { endpoints: [{ host: 'a', port: 65536 }] } },
    'spec.backends.endpoints[0].port: Invalid value: 65536: spec.backends.endpoints[0].port in body should be less than or equal to 65535',
  ),
  schema(
    'expose port (S-5)',
    { expose: { domain: 'a.example.com', port: 70000 } },
    'spec.expose.port: Invalid value: 70000: spec.expose.port in body should be less than or equal to 65535',
  ),
  schema(
    'a port that is no integer',
    { expose: { domain: 'a.example.com', port: 80.5 } },
    'spec.expose.port: Invalid value: "number": spec.expose.port in body must be of type integer: "number"',
  ),
  schema(
    'a port that is text',
    { expose: { domain: 'a.example.com', port: '80' } },
    'spec.expose.port in body must be of type integer: "string"',
  ),
  schema(
    'an endpoint without host and port (S-6)',
    { backends: { endpoints: [{}] } },
    'spec.backends.endpoints[0].host: Required value',
    'spec.backends.endpoints[0].port: Required value',
  ),
  schema(
    'endpoint weight (S-7)',
    { backends: { endpoints: [{ ...endpoint, weight: 0 }] } },
    'spec.backends.endpoints[0].weight in body should be greater than or equal to 1',
  ),
  schema(
    'endpoint metadata (S-8)',
    { backends: { endpoints: [{ ...endpoint, metadata: { zone: 1 } }] } },
    'spec.backends.endpoints[0].metadata.zone in body must be of type string: "integer"',
  ),
  schema(
    'too many endpoints',
    { backends: { endpoints: Array.from({ length: 257 }, () => endpoint) } },
    'spec.backends.endpoints: Too many: 257: must have at most 256 items',
  ),
  schema(
    'an endpoint that is null',
    { backends: { endpoints: [null] } },
    'spec.backends.endpoints[0] in body must be of type object: "null"',
  ),
  schema(
    'a template in an endpoint host (G-12)',
    { backends: { endpoints: [{ host: '{{ .Envs.X }}', port: 80 }] } },
    'spec.backends.endpoints[0].host: Invalid value: "{{ .Envs.X }}"',
  ),
  schema(
    'negative replicas',
    { backends: { ...discovery, replicas: -1 } },
    'spec.backends.replicas in body should be greater than or equal to 0',
    '.spec.backends.replicas: Invalid value: -1: should be a non-negative integer',
  ),
  schema(
    'exposure type (S-9)',
    { expose: { type: 'http', domain: 'a.example.com' } },
    unsupported('spec.expose.type', 'http', 'domain', 'subdomain', 'path', 'port'),
  ),
  schema(
    'a path with a wildcard (S-10)',
    { expose: { domain: 'a.example.com', path: '/api/*' } },
    mustMatch('spec.expose.path', '/api/*', "^/([A-Za-z0-9_.~!$&'()+,=:@/-]|%[0-9a-fA-F]{2})*$"),
  ),
  schema('a domain in capitals', { expose: { domain: 'LLM.example.com' } }, 'spec.expose.domain: Invalid value: "LLM.example.com"'),
  schema(
    'a template in a domain (G-12)',
    { expose: { domain: '{{ .Envs.HOME }}' } },
    'spec.expose.domain: Invalid value: "{{ .Envs.HOME }}"',
  ),
  schema('an empty domain', { expose: { domain: '' } }, 'spec.expose.domain in body should be at least 1 chars long'),
  schema(
    'a subdomain of two labels',
    { expose: { type: 'subdomain', subdomain: 'a.b' } },
    mustMatch('spec.expose.subdomain', 'a.b', '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'),
  ),
  schema(
    'a subdomain that is too long',
    { expose: { type: 'subdomain', subdomain: 'a'.repeat(64) } },
    'spec.expose.subdomain: Too long: may not be more than 63 bytes',
  ),
  ...['', 'a\nb', 'a\r\nX-Evil: 1', 'é', ' a', 'a  b'].map((value) =>
    schema(
      `a header whose value is ${JSON.stringify(value)}`,
      { expose: { domain: 'a.example.com', headers: { request: { set: { 'X-A': value } } } } },
      'spec.expose.headers.request.set.X-A',
    ),
  ),
  ...['a.lan/x', 'a.lan b', "a'b", '%[src]', 'a.lan:', '{{ .Envs.HOME }}'].map((hostHeader) =>
    schema(
      `a rewritten Host of ${JSON.stringify(hostHeader)}`,
      { expose: { domain: 'a.example.com', hostHeader } },
      'spec.expose.hostHeader in body should match',
    ),
  ),
  schema(
    'algorithm (S-11)',
    { loadBalancing: { algorithm: 'roundrobin' } },
    unsupported('spec.loadBalancing.algorithm', 'roundrobin', 'random', 'round-robin', 'least-conn', 'weighted', 'ip-hash'),
  ),
  schema(
    'affinity timeout (S-12)',
    { loadBalancing: { sessionAffinity: { timeout: '1d' } } },
    mustMatch('spec.loadBalancing.sessionAffinity.timeout', '1d', '^([0-9]{1,7}s|[0-9]{1,5}m|[0-9]{1,4}h)$'),
  ),
  schema(
    'health check type (S-13)',
    health({ type: 'ping' }),
    unsupported('spec.loadBalancing.healthCheck.type', 'ping', 'tcp', 'http', 'https', 'grpc'),
  ),
  schema(
    'health check interval (S-14)',
    health({ interval: '500ms' }),
    mustMatch('spec.loadBalancing.healthCheck.interval', '500ms', '^([0-9]{1,6}s|[0-9]{1,4}m)$'),
  ),
  schema(
    'health check timeout (S-14)',
    health({ timeout: '1.5s' }),
    mustMatch('spec.loadBalancing.healthCheck.timeout', '1.5s', '^([0-9]{1,6}s|[0-9]{1,4}m)$'),
  ),
  schema(
    'thresholds (S-15)',
    health({ successThreshold: 0, failureThreshold: 0 }),
    'spec.loadBalancing.healthCheck.successThreshold in body should be greater than or equal to 1',
    'spec.loadBalancing.healthCheck.failureThreshold in body should be greater than or equal to 1',
  ),
  schema(
    'mTLS mode (S-16)',
    { security: { mtls: { mode: 'strict' } } },
    unsupported('spec.security.mtls.mode', 'strict', 'auto', 'manual', 'external'),
  ),
  schema(
    'autoGenerate of other seeds (B1.8)',
    { security: { mtls: { enabled: 'yes' } } },
    'spec.security.mtls.enabled in body must be of type boolean: "string"',
  ),
  schema(
    'beforeExpiry (S-17)',
    { security: { mtls: { certRotation: { beforeExpiry: '1w' } } } },
    mustMatch('spec.security.mtls.certRotation.beforeExpiry', '1w', '^[0-9]{1,4}(d|h)$'),
  ),
  schema(
    'authentication type (S-18)',
    { security: { authentication: { type: 'digest' } } },
    unsupported('spec.security.authentication.type', 'digest', 'none', 'token', 'oauth2', 'apikey', 'basic'),
  ),
  schema(
    'authorization method (S-19)',
    { security: { authorization: { rules: [{ methods: ['TRACE'] }] } } },
    unsupported('spec.security.authorization.rules[0].methods[0]', 'TRACE', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
  ),
  ...['/a x', '/é', '/%zz', `/${'*a'.repeat(9)}`].map((path) =>
    schema(
      `authorization path ${path}`,
      { security: { authorization: { rules: [{ path }] } } },
      `spec.security.authorization.rules[0].path in body should match`,
    ),
  ),
  schema(
    'an origin with a path',
    { security: { cors: { allowOrigins: ['https://app.example.com/'] } } },
    'spec.security.cors.allowOrigins[0] in body should match',
  ),
  schema(
    'pool size (S-20)',
    { advanced: { connectionPool: { size: 101 } } },
    'spec.advanced.connectionPool.size: Invalid value: 101: spec.advanced.connectionPool.size in body should be less than or equal to 100',
  ),
  schema(
    'durations (S-21)',
    { advanced: { connectionPool: { idleTimeout: '1h' }, timeout: { dial: '10', keepAlive: '-1s', request: '1h' } } },
    mustMatch('spec.advanced.connectionPool.idleTimeout', '1h', '^([0-9]{1,6}s|[0-9]{1,4}m)$'),
    mustMatch('spec.advanced.timeout.dial', '10', '^([0-9]{1,6}s|[0-9]{1,4}m)$'),
    mustMatch('spec.advanced.timeout.keepAlive', '-1s', '^([0-9]{1,6}s|[0-9]{1,4}m)$'),
    mustMatch('spec.advanced.timeout.request', '1h', '^([0-9]{1,6}s|[0-9]{1,4}m)$'),
  ),
  schema(
    'bandwidth limit (S-22)',
    { advanced: { bandwidth: { limit: '1.5MB' } } },
    mustMatch('spec.advanced.bandwidth.limit', '1.5MB', '^[0-9]+(MB|KB|GB)$'),
  ),
  schema(
    'bandwidth mode (S-23)',
    { advanced: { bandwidth: { mode: 'both' } } },
    unsupported('spec.advanced.bandwidth.mode', 'both', 'client', 'server'),
  ),
  schema(
    'retry (S-24)',
    { advanced: { retry: { maxAttempts: 0, backoff: 'random' } } },
    'spec.advanced.retry.maxAttempts in body should be greater than or equal to 1',
    unsupported('spec.advanced.retry.backoff', 'random', 'constant', 'exponential', 'linear'),
  ),
  {
    name: 'a name with capitals',
    object: service('Bad_Name', http()),
    layer: 'schema',
    refused: ['metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of'],
  },
  {
    name: 'a label with a space',
    object: service('bad', http(), { labels: { tier: 'in ference' } }),
    layer: 'schema',
    refused: ['metadata.labels: Invalid value: "in ference": a valid label must be'],
  },
];

const webhookCases: ServiceCase[] = [
  {
    name: 'a name of 64 characters',
    object: service('a'.repeat(64), http()),
    layer: 'webhook',
    refused: ['metadata.name: has 64 characters; at most 63 fit'],
  },
  webhookTcp('type port without port (G-1)', { expose: { type: 'port' } }, 'spec.expose.port: is required by spec.expose.type "port"'),
  webhookTcp(
    'tcp without port and domain (G-1)',
    { expose: undefined },
    'spec.expose.port: is required: a tcp service is reached by port, or over TLS by host name',
  ),
  webhookTcp(
    'grpc without port and domain (G-1)',
    { serviceType: 'grpc', expose: {} },
    'spec.expose.port: is required: a grpc service is reached by port',
  ),
  webhookUdp(
    'udp by domain (G-1)',
    { expose: { domain: 'udp.corpus.example.com' } },
    'spec.expose.port: is required: a udp service is reached by port only',
  ),
  webhook(
    'http by port, without the port (G-1)',
    { expose: { type: 'port', domain: 'new.corpus.example.com' } },
    'spec.expose.port: is required by spec.expose.type "port"',
  ),
  webhook('type domain without domain (G-2)', { expose: { path: '/v1/' } }, 'spec.expose.domain: is required by spec.expose.type "domain"'),
  webhook(
    'type subdomain without subdomain (G-2)',
    { expose: { type: 'subdomain', domain: 'new.corpus.example.com' } },
    'spec.expose.subdomain: is required by spec.expose.type "subdomain"',
  ),
  webhook(
    'type path without domain (G-2)',
    { expose: { type: 'path', path: '/v1/' } },
    'spec.expose.domain: is required by spec.expose.type "path": frp routes a path below a host name',
  ),
  webhookTcp(
    'type path of tcp (G-2)',
    { expose: { type: 'path', domain: 'a.corpus.example.com', path: '/x/' } },
    'spec.expose.type: "path" is for http services; use "port" for a tcp service',
  ),
  webhook(
    'a subdomain where there is no base domain',
    { expose: { type: 'subdomain', subdomain: 'llm' } },
    'spec.expose.subdomain: needs a base domain to be below: set baseDomain in the frp-k8s configuration',
  ),
  ...['/health#top', '/100%', '/%zz'].map((path) =>
    webhook(`the health path ${path}`, health({ path }), 'spec.loadBalancing.healthCheck.path: no request has such a path: "#" ends it'),
  ),
  ...[80, 443].map((port) =>
    webhookTcp(
      `port ${port} of the frp server`,
      { expose: { type: 'port', port } },
      `spec.expose.port: ${port} is where the frp server serves all hosts by name; set spec.expose.domain in place of the port, if its clients begin with TLS, or choose another port (reserved: 80, 443, 7000, 7500, 8080, 8443)`,
    ),
  ),
  webhookTcp(
    "the frp server's own port",
    { expose: { type: 'port', port: 7000 } },
    'spec.expose.port: 7000 is a port of the frp server itself; choose another',
  ),
  webhook('neither kind of backends (S-3)', { backends: {} }, 'spec.backends: names no backends; set discovery'),
  webhook(
    'selector mode without selector (G-3)',
    { backends: { discovery: { mode: 'selector' } } },
    'spec.backends.discovery.selector: is required by mode "selector" and must not be empty',
  ),
  webhook(
    'an empty selector (G-3)',
    { backends: { discovery: { mode: 'selector', selector: { matchLabels: {} } } } },
    'spec.backends.discovery.selector: is required by mode "selector" and must not be empty',
  ),
  webhook(
    'a selector expression without values (G-3)',
    { backends: { discovery: { mode: 'selector', selector: { matchExpressions: [{ key: 'app', operator: 'In' }] } } } },
    'spec.backends.discovery.selector.matchExpressions: operator In of key "app" needs values',
  ),
  webhook(
    'dns without port (G-3)',
    { backends: { discovery: { mode: 'dns' } } },
    'spec.backends.discovery.port: is required by mode "dns"',
  ),
  ...[
    ['/a/../b', 'the gateway resolves "//", "/./" and "/../"'],
    ['/a%2Fb', 'the gateway refuses encoded slashes'],
    ['/a%FF', 'the gateway refuses what is not UTF-8'],
    ['/a%3Bb', 'path parameters (";x") are left out'],
    ['/a%20b', 'encoded spaces and characters that no path has without encoding are not looked up'],
  ].map(([path, why]) =>
    webhook(
      `the exposed path ${path}`,
      { expose: { type: 'path', domain: 'new.corpus.example.com', path } },
      `spec.expose.path: "${path}": no request has such a path: ${why}`,
    ),
  ),
  webhook(
    'another spelling of an exposed path (G-14)',
    { expose: { type: 'path', domain: 'standing.corpus.example.com', path: '/t%61ken/' } },
    'spec.expose.domain: standing.corpus.example.com/taken/ is already exposed by DistributedService corpus/standing-http',
  ),
  ...[
    ['127.0.0.1', 'is a loopback address'],
    ['::1', 'is a loopback address'],
    ['::ffff:127.0.0.1', 'is a loopback address'],
    ['169.254.169.254', 'is a link-local address'],
    ['0.0.0.0', 'is an unspecified address'],
    ['224.0.0.1', 'is a multicast address'],
    ['localhost', 'is the connector itself'],
    ['127.1', 'is no IPv4 address'],
    ['0x7f.1', 'is no IPv4 address'],
    ['2130706433', 'is no IPv4 address'],
    ['10.0.0.5:8080', 'is neither a host name nor an IP address'],
  ].map(([host, why]) =>
    webhook(
      `an endpoint at ${host} (connectors)`,
      { backends: { endpoints: [endpoint, { host, port: 80 }] } },
      `spec.backends.endpoints: [1].host "${host}" ${why}`,
    ),
  ),
  webhook(
    'dns with a name that is the connector itself',
    { backends: { discovery: { mode: 'dns', name: 'api.localhost', port: 80 } } },
    'spec.backends.discovery.name: "api.localhost" is the connector itself',
  ),
  webhook(
    'no endpoints in the list (G-4)',
    { backends: { endpoints: [] } },
    'spec.backends.endpoints: is empty; list at least one host and port',
  ),
  webhook(
    "another namespace's backends",
    { backends: { discovery: { namespace: 'corpus-other' } } },
    'spec.backends.discovery.namespace: must be "corpus", the service\'s own, or absent',
  ),
  webhook(
    'connector replicas without a connector',
    { backends: { ...discovery, replicas: 3 } },
    'spec.backends.replicas: is the number of connector Pods, and discovery mode "auto" has none',
  ),
  webhook(
    'manual mTLS without certificate (G-5)',
    { security: { mtls: { enabled: true, mode: 'manual', caSecret: 'ca' } } },
    'spec.security.mtls.certSecret: is required by mode "manual"',
  ),
  webhook(
    'authentication without its Secret (G-6)',
    { security: { authentication: { type: 'token' } } },
    'spec.security.authentication.tokenSecret: is required by type "token"',
  ),
  webhook(
    'authorization without rules (G-7)',
    { security: { authorization: { enabled: true } } },
    'spec.security.authorization.rules: is required where authorization is enabled',
  ),
  webhook(
    'authorization of paths that no request has',
    {
      security: {
        authorization: { enabled: true, rules: [{ path: '/a//b' }, { path: '/a/%2e%2E/b' }, { path: '/a%2Fb' }, { path: '/a..b/.c' }] },
      },
    },
    'spec.security.authorization.rules: no request has such a path: [0].path "/a//b": the gateway resolves "//", "/./" and "/../"; ' +
      'write the path that is meant; [1].path "/a/%2e%2E/b": the gateway resolves "//", "/./" and "/../"; write the path that is meant; ' +
      '[2].path "/a%2Fb": the gateway refuses encoded slashes',
  ),
  ...(
    [
      ['/a;b', 'path parameters (";x") are left out of what is compared; leave them out'],
      ['/a%3Bb/*', 'path parameters (";x") are left out'],
      ['/a?b=1', 'a path ends before "?" and "#", encoded ones too; leave out what follows'],
      ['/a%3Fb', 'a path ends before "?" and "#", encoded ones too'],
      ['/a%23', 'a path ends before "?" and "#", encoded ones too'],
      ['/a#b', 'a path ends before "?" and "#"'],
      ['/a\\b', 'the gateway refuses encoded slashes, backslashes, control characters'],
      ['/a%5cb', 'the gateway refuses encoded slashes, backslashes'],
      ['/a%0A', 'the gateway refuses encoded slashes, backslashes'],
      ['/a%FFb', 'the gateway refuses what is not UTF-8; write whole characters, also beside "*"'],
      ['/%C3*', 'the gateway refuses what is not UTF-8'],
      ['/a%ED%A0%80', 'the gateway refuses what is not UTF-8'],
    ] as const
  ).map(([path, problem]) =>
    webhook(
      `authorization of the path ${path}, which no request has`,
      { security: { ...token, authorization: { enabled: true, rules: [{ path: path }] } } },
      `spec.security.authorization.rules: no request has such a path: [0].path ${JSON.stringify(path)}: ${problem}`,
    ),
  ),
  webhook(
    'a route of a path that no request has',
    { routes: [{ path: '/a/../b', groups: [{ name: 'bad' }] }] },
    'spec.routes: [0] path "/a/../b": no request has such a path: the gateway resolves "//", "/./" and "/../"; write the path that is meant',
  ),
  webhook(
    'credentials for every origin',
    { security: { cors: { allowOrigins: ['*'], allowCredentials: true } } },
    'spec.security.cors.allowCredentials: with "*" in allowOrigins',
  ),
  webhook('cors for nobody', { security: { cors: { allowOrigins: [] } } }, 'spec.security.cors.allowOrigins: names nobody'),
  webhookTcp(
    'cors of tcp',
    { security: { cors: { allowOrigins: ['https://app.example.com'] } } },
    'spec.security.cors: a tcp service has no requests that could be looked into',
  ),
  webhookTcp(
    'metrics of tcp',
    { metrics: { format: 'prometheus' } },
    'spec.metrics: a page is asked for by HTTP, which the port of a tcp service does not speak; remove it',
  ),
  schema('metrics at an address', { metrics: { path: 'http://10.0.0.1/metrics' } }, 'spec.metrics.path in body should match'),
  webhookTcp(
    'a rewritten Host of tcp',
    { expose: { type: 'port', port: 21001, hostHeader: 'localhost:11434' } },
    'spec.expose.hostHeader: a tcp service has no requests that could be looked into',
  ),
  webhookTcp(
    'headers of tcp',
    { expose: { type: 'port', port: 21001, headers: { response: { remove: ['Server'] } } } },
    'spec.expose.headers: a tcp service has no requests that could be looked into',
  ),
  webhook(
    'headers that only the server may set, and what is none',
    {
      expose: {
        domain: 'new.corpus.example.com',
        headers: {
          request: { set: { 'X-Frp-Client': 'me', X_Forwarded_For: '1.2.3.4', 'a b': 'c' }, remove: ['Host'] },
          response: { set: { 'Transfer-Encoding': 'chunked' }, remove: ['X-A', 'x-a'] },
        },
      },
    },
    'spec.expose.headers.request: "X-Frp-Client" tells the app who its user is, which only the server knows',
    '"X_Forwarded_For" tells the app who its user is',
    '"a b" is no header',
    'spec.expose.headers.response: "Transfer-Encoding" tells where a message ends',
    '"x-a" is named twice',
  ),
  webhook(
    'headers of more than HAProxy has room for',
    {
      expose: {
        domain: 'new.corpus.example.com',
        headers: { request: { set: Object.fromEntries(Array.from({ length: 4 }, (_, at) => [`X-${at}`, 'v'.repeat(2048)])) } },
      },
    },
    'spec.expose.headers.request: set comes to 8204 characters, above the limit of 8000',
  ),
  webhook(
    'every name below a public suffix (G-14)',
    { expose: { type: 'domain', domain: '*.co.uk' } },
    'spec.expose.domain: host *.co.uk stands for names of many owners',
  ),
  webhookTcp(
    'authorization of tcp (G-7)',
    { security: { authorization: { rules: [{ path: '/', methods: ['GET'], roles: ['a'] }] } } },
    'spec.security.authorization: a tcp service has no paths and methods',
  ),
  webhookUdp(
    'udp checked by http (G-8)',
    health({ type: 'http' }),
    'spec.loadBalancing.healthCheck.type: "http" cannot check a udp service',
  ),
  webhook(
    'a timeout as long as its interval (G-9)',
    health({ interval: '5s', timeout: '5s' }),
    'spec.loadBalancing.healthCheck.timeout: 5s must be shorter than spec.loadBalancing.healthCheck.interval, 5s',
  ),
  webhook(
    'an interval below the default timeout (G-9)',
    health({ interval: '2s' }),
    'spec.loadBalancing.healthCheck.timeout: 3s must be shorter than spec.loadBalancing.healthCheck.interval, 2s',
  ),
  webhook(
    'zero durations (G-9)',
    {
      loadBalancing: { healthCheck: { interval: '0s', timeout: '0m' }, sessionAffinity: { timeout: '0h' } },
      security: { mtls: { certRotation: { beforeExpiry: '0d' } } },
      advanced: { timeout: { dial: '0s', keepAlive: '0m', request: '0s' }, connectionPool: { idleTimeout: '0s' } },
    },
    'spec.loadBalancing.healthCheck.interval: must be longer than zero',
    'spec.loadBalancing.sessionAffinity.timeout: must be longer than zero',
    'spec.loadBalancing.healthCheck.timeout: must be longer than zero',
    'spec.security.mtls.certRotation.beforeExpiry: must be longer than zero',
    'spec.advanced.connectionPool.idleTimeout: must be longer than zero',
    'spec.advanced.timeout.dial: must be longer than zero',
    'spec.advanced.timeout.keepAlive: must be longer than zero',
    'spec.advanced.timeout.request: must be longer than zero',
  ),
  webhook(
    'no bandwidth at all (G-9)',
    { advanced: { bandwidth: { limit: '0MB' } } },
    'spec.advanced.bandwidth.limit: must be more than zero',
  ),
  webhook(
    'renewal without end (G-13)',
    { security: { mtls: { certRotation: { beforeExpiry: '30d' } } } },
    "spec.security.mtls.certRotation.beforeExpiry: 30d is not shorter than the certificate's lifetime of 30d",
  ),
  webhook(
    'the host and path of another service (G-14)',
    { expose: { type: 'path', domain: 'standing.corpus.example.com', path: '/taken/' } },
    'spec.expose.domain: standing.corpus.example.com/taken/ is already exposed by DistributedService corpus/standing-http',
  ),
  webhookTcp(
    'the port of another service (G-14)',
    { expose: { type: 'port', port: 21100 } },
    'spec.expose.port: tcp port 21100 is already exposed by DistributedService corpus/standing-tcp',
  ),
  {
    name: "another path of another namespace's host (tenancy)",
    object: service('bad', http({ expose: { type: 'path', domain: 'standing.corpus.example.com', path: '/free/' } }), {
      namespace: 'corpus-other',
    }),
    layer: 'webhook',
    refused: [
      'spec.expose.domain: host standing.corpus.example.com belongs to the namespace of DistributedService corpus/standing-http, which claimed it first',
    ],
  },
  webhook(
    "a name below another namespace's wildcard (tenancy)",
    { expose: { domain: 'a.b.wild.corpus.example.com' } },
    'spec.expose.domain: host a.b.wild.corpus.example.com is below a wildcard of DistributedService corpus-other/standing-wildcard, whose namespace claimed it first; choose another host, or have it granted to namespace "corpus" in exposure[] of the frp-k8s configuration, and the wildcard to "corpus-other"',
  ),
  webhook(
    'a wildcard above hosts of others (tenancy)',
    { expose: { domain: '*.corpus.example.com' } },
    'spec.expose.domain: host *.corpus.example.com takes in a host of DistributedService corpus-other/standing-wildcard, whose namespace claimed it first; choose a host beside it, or have it granted to namespace "corpus" in exposure[] of the frp-k8s configuration, and that host to "corpus-other"',
  ),
  webhookUdp(
    'several errors at once',
    { ...health({ type: 'grpc', interval: '1s' }), expose: {}, advanced: { bandwidth: { limit: '0KB' } } },
    'spec.expose.port: is required',
    '"grpc" cannot check a udp service',
    'healthCheck.timeout: 3s must be shorter',
    'bandwidth.limit: must be more than zero',
  ),
];

const good = (name: string, spec: Spec, ...warned: string[]): ServiceCase => ({
  name,
  object: service('good', spec),
  ...(warned.length > 0 && { warned }),
});

const severalPorts = (more: Spec = {}, ...ports: Spec[]): Spec =>
  tcp({
    expose: {
      type: 'port',
      ports:
        ports.length > 0
          ? ports
          : [
              { name: 'a', port: 21011 },
              { name: 'b', port: 21012 },
            ],
      ...more,
    },
  });

const portsCases: ServiceCase[] = [
  webhookTcp('any port of a plain frp server', { expose: { type: 'port', port: 0 } }, 'spec.expose.port: 0 is for the gateway'),
  webhookTcp(
    'any port that leads nowhere',
    severalPorts({}, { name: 'a', port: 0 }),
    'spec.expose.ports: port "a" is 0, so it needs the port of the backends',
    'spec.expose.port: 0 is for the gateway',
  ),
  webhookTcp(
    'more tunnels than a connector may have',
    {
      ...severalPorts({}, ...Array.from({ length: 32 }, (_, index) => ({ name: `p${index}`, port: 21020 + index }))),
      backends: { endpoints: Array.from({ length: 17 }, (_, index) => ({ host: `db-${index}.example.com`, port: 1 })) },
    },
    'spec.expose.ports: 32 ports of 17 endpoints are 544 tunnels, and 512 is the limit',
  ),
  good('several ports', severalPorts()),
  good('several udp ports', { ...severalPorts(), serviceType: 'udp', backends: { endpoints: [{ host: 'dns.example.com', port: 53 }] } }),
  webhookTcp(
    'no port in the list of ports',
    { expose: { type: 'port', ports: [] } },
    'spec.expose.port: is required by spec.expose.type "port"',
  ),
  schema(
    'a port without a name',
    { expose: { domain: 'new.corpus.example.com', ports: [{ port: 1 }] } },
    'spec.expose.ports[0].name: Required value',
  ),
  webhook(
    'several ports of an http service',
    { expose: { domain: 'new.corpus.example.com', ports: [{ name: 'a', port: 21011 }] } },
    'spec.expose.ports: is for tcp and udp services; set spec.expose.domain',
  ),
  webhookTcp('several ports beside one', severalPorts({ port: 21010 }), 'spec.expose.ports: cannot be used with spec.expose.port'),
  webhookTcp(
    'one port under two names',
    severalPorts({}, { name: 'a', port: 21011 }, { name: 'b', port: 21011 }),
    'spec.expose.ports: "a" and "b" have the same port 21011',
  ),
  webhookTcp(
    'two ports of one name',
    severalPorts({}, { name: 'a', port: 21011 }, { name: 'a', port: 21012 }),
    'spec.expose.ports: two ports have the name "a"; give each a name of its own',
  ),
  webhookTcp(
    'a port that leads to two',
    severalPorts({}, { name: 'a', port: 21011, backendPort: 1, backendPortName: 'a' }),
    'spec.expose.ports: port "a" has backendPort and backendPortName; remove one',
  ),
  webhookTcp(
    'a port by name of an endpoint',
    {
      ...severalPorts({}, { name: 'a', port: 21011, backendPortName: 'a' }),
      backends: { endpoints: [{ host: 'db.example.com', port: 1 }] },
    },
    'spec.expose.ports: port "a" has a backendPortName, which annotated Pods alone have',
  ),
  webhookTcp(
    'one of the server’s own ports among several',
    severalPorts({}, { name: 'a', port: 7000 }),
    'spec.expose.ports: 7000 is a port of the frp server itself',
  ),
  webhookTcp(
    'a port among several that another service has',
    severalPorts({}, { name: 'a', port: 21100 }),
    'spec.expose.ports: tcp port 21100 is already exposed by DistributedService corpus/standing-tcp',
  ),
  webhookTcp(
    'a name in the cluster for several ports',
    severalPorts({ clusterService: {} }),
    'spec.expose.clusterService: leads to one port',
  ),
  good(
    'ports that the type does not use',
    severalPorts({ type: 'domain', domain: 'ports.corpus.example.com' }),
    'spec.expose.ports: is not used, because spec.expose.type is "domain"',
  ),
  good(
    'a port of discovery beside several',
    { ...severalPorts(), backends: { discovery: { port: 80 } } },
    'spec.backends.discovery.port: is not used',
  ),
];

const goodCases: ServiceCase[] = [
  good(
    'the least http service, which is told of its health check',
    http({ expose: { domain: 'new.corpus.example.com' } }),
    'spec.loadBalancing.healthCheck was not set: each backend is checked by GET /health every 10 s',
  ),
  good('the least tcp service', { serviceType: 'tcp', backends: { discovery: {} }, expose: { port: 21003 } }),
  good(
    'the least udp service, of which one backend is active (G-8)',
    udp(),
    'spec.backends: frp does not balance udp, so one backend gets all traffic: the first Pod that registers',
  ),
  good(
    'udp with a list: the active one is named (G-8)',
    udp({
      backends: {
        endpoints: [
          { host: 'b', port: 53 },
          { host: 'a', port: 53 },
        ],
      },
    }),
    'one backend gets all traffic: a:53',
  ),
  good(
    'tcp by domain',
    tcp({ expose: { type: 'domain', domain: 'db.corpus.example.com' } }),
    'spec.expose.domain: is found by TLS alone: of clients that begin with TLS and name the host. SSH, MySQL and PostgreSQL do not, and are not let through; for them set spec.expose.type: port, and port',
  ),
  good(
    'a wildcard, which shuts others out',
    http({ expose: { domain: '*.mine.corpus.example.com' } }),
    'spec.expose.domain: "*.mine.corpus.example.com" shuts every other namespace out of the names below it. To let one in, grant in exposure[] of the frp-k8s configuration its name to that namespace, and *.mine.corpus.example.com to "corpus"',
  ),
  good(
    'failures that frpc counts since its start',
    http(health({ failureThreshold: 5 })),
    'spec.loadBalancing.healthCheck.failureThreshold: frpc up to 0.71.0 counts every failure since its start, not 5 in a row',
  ),
  ...[
    { object: service('orders-mysql', tcp()), told: 'which MySQL logs and counts in Aborted_connects' },
    { object: service('db', tcp({ expose: { type: 'port', port: 3306 } })), told: 'which MySQL logs and counts in Aborted_connects' },
    {
      object: service('db', tcp({ backends: { endpoints: [{ host: 'db.internal', port: 3306 }] } })),
      told: 'MySQL refuses a host that does so max_connect_errors times in a row (100)',
    },
  ].map(({ object, told }, index): ServiceCase => ({
    name: `MySQL that is checked by tcp (${index})`,
    object,
    warned: ['spec.loadBalancing.healthCheck.type: "tcp" connects and says nothing', told, 'healthCheck.enabled: false'],
  })),
  good('grpc by domain (G-1)', { serviceType: 'grpc', backends: discovery, expose: { type: 'domain', domain: 'grpc.corpus.example.com' } }),
  good(
    'another path of the same host in the same namespace',
    http({ expose: { type: 'path', domain: 'standing.corpus.example.com', path: '/free/' } }),
  ),
  good('udp on a port that tcp has', udp({ expose: { type: 'port', port: 21100 } })),
  good(
    'dns with a name of its own (B1.32)',
    tcp({ backends: { discovery: { mode: 'dns', name: 'db.internal', port: 5432 }, replicas: 2 } }),
  ),
  good(
    'weighted with discovery takes weights from annotations (G-10)',
    http({ loadBalancing: { algorithm: 'weighted' } }),
    'spec.loadBalancing.algorithm: "weighted" needs the frp-k8s gateway',
  ),
  good(
    'round-robin of tcp',
    tcp({ loadBalancing: { algorithm: 'round-robin' } }),
    'spec.loadBalancing.algorithm: "round-robin" of a tcp service needs the frp-k8s gateway',
  ),
  good(
    'everything that only the gateway does (W-1)',
    http({
      loadBalancing: { sessionAffinity: { enabled: true }, healthCheck: { type: 'https', successThreshold: 2 } },
      advanced: { retry: {}, connectionPool: { idleTimeout: '5m' } },
    }),
    'spec.loadBalancing.sessionAffinity: needs the frp-k8s gateway',
    'spec.loadBalancing.healthCheck.type: frp checks by tcp and http only',
    'spec.loadBalancing.healthCheck.successThreshold: needs the frp-k8s gateway',
    'spec.advanced.retry: needs the frp-k8s gateway',
    'spec.advanced.connectionPool.idleTimeout: needs the frp-k8s gateway',
  ),
  good(
    'authentication, which a plain server cannot enforce',
    http({ security: { authentication: { type: 'apikey', tokenSecret: 'keys' } } }),
    'spec.security: GatewayRequired: spec.security.authentication (type apikey) cannot be enforced by a plain frp server',
  ),
  good(
    'authorization without authentication (G-7)',
    http({ security: { authorization: { enabled: true, rules: [{ path: '/*', methods: ['GET'], roles: ['a'] }] } } }),
    'spec.security.authorization: knows no roles without authentication',
  ),
  good(
    'cors of a plain frp server, without the header of the credentials',
    http({ security: { ...token, cors: { allowOrigins: ['https://app.example.com'], allowHeaders: ['Content-Type'] } } }),
    'spec.security.cors: needs the frp-k8s gateway',
    'spec.security.cors.allowHeaders: has neither "*" nor Authorization',
  ),
  good('metrics of a plain frp server', http({ metrics: { format: 'ollama' } }), 'spec.metrics: needs the frp-k8s gateway'),
  good(
    'headers: what a plain server does not remove, and a password that everyone reads',
    http({
      expose: {
        domain: 'new.corpus.example.com',
        headers: { request: { set: { Authorization: 'Basic bWU6bWU=' } }, response: { set: { 'X-A': 'b' }, remove: ['Server'] } },
      },
    }),
    'spec.expose.headers.response.remove: needs the frp-k8s gateway; a plain frp server removes no header',
    'spec.expose.headers.request.set: has credentials, which everyone who may read DistributedServices reads',
  ),
  good(
    'headers of requests that an app believes, which a plain server does not remove',
    http({ expose: { domain: 'new.corpus.example.com', headers: { request: { remove: ['X-Remote-User'] } } } }),
    'spec.security: GatewayRequired: spec.expose.headers.request.remove cannot be enforced by a plain frp server',
  ),
  ...['/socket.io/', '/.well-known/x/', '/api/v1.0/', '/@scope/~me/', "/a(b)!$&'+,=:/", '/caf%C3%A9/'].map((path) =>
    good(`the exposed path ${path}`, http({ expose: { type: 'path', domain: 'new.corpus.example.com', path } })),
  ),
  good('a rewritten Host', http({ expose: { domain: 'new.corpus.example.com', hostHeader: 'localhost:11434' } })),
  good(
    'a rewritten Host and headers of http by port, which a plain server does not read',
    http({
      expose: {
        type: 'port',
        domain: 'new.corpus.example.com',
        port: 21001,
        hostHeader: '[::1]:8080',
        headers: { request: { set: { 'X-A': 'b' } } },
      },
    }),
    'spec.expose.hostHeader: needs the frp-k8s gateway: a plain frp server looks into requests of http by host name only',
    'spec.expose.headers: needs the frp-k8s gateway: a plain frp server looks into requests of http by host name only',
  ),
  good(
    'a path that is a prefix',
    http({ expose: { type: 'path', domain: 'new.corpus.example.com', path: '/v1' } }),
    'spec.expose.path: frp matches prefixes: "/v1" also matches "/v1foo"',
  ),
  good('a health path that looks like a template (G-12: escaped)', http(health({ path: '/{{x}}' }))),
  good(
    'a DNS name and a selector that the mode does not use',
    http({ backends: { discovery: { name: 'db.internal', selector: { matchLabels: { app: 'x' } } } } }),
    'spec.backends.discovery.name: is not used by mode "auto"',
    'spec.backends.discovery.selector: is not used by mode "auto"',
  ),
  good(
    'udp with a check by tcp',
    udp(health({ type: 'tcp' })),
    'spec.loadBalancing.healthCheck: has no effect: frp cannot check a udp backend',
  ),
  good(
    'parts of an exposure that are not used',
    tcp({ expose: { type: 'port', port: 21003, domain: 'db.corpus.example.com', path: '/x' } }),
    'spec.expose.domain: is not used, because spec.expose.type is "port"',
    'spec.expose.path: is not used: a tcp service has no paths',
  ),
  good(
    'a port beside a domain',
    http({ expose: { domain: 'new.corpus.example.com', port: 21003 } }),
    'spec.expose.port: is not used, because spec.expose.type is "domain"',
  ),
  good(
    'external mTLS that is not enabled',
    http({ security: { mtls: { mode: 'external' } } }),
    'spec.security.mtls.mode: "external" is not used',
  ),
  good('a null where a default is', http({ loadBalancing: { algorithm: null }, advanced: null })),
];

const group = (name: string, weight = 1) => ({ name, weight });
const throughGateway =
  (make: (more: Spec) => Spec) =>
  (name: string, more: Spec, ...refused: string[]): ServiceCase =>
    bad('webhook', make)(`${name}, through the gateway`, { gateway: true, ...more }, ...refused);
const grpc = (more: Spec = {}): Spec => ({
  serviceType: 'grpc',
  backends: discovery,
  expose: { domain: 'new.corpus.example.com' },
  ...more,
});
const tls = { secretName: 'new-tls' };

const roles = (readWrite: Spec = {}, more: Spec = {}): Spec => ({
  serviceType: 'tcp',
  backends: { ...discovery, readWrite: { writePort: 21005, readPort: 21006, ...readWrite } },
  ...more,
});
const webhookRoles = bad('webhook', (more) => roles({}, more));

/** A primary and its replicas. */
const roleCases: ServiceCase[] = [
  good(
    'a primary and replicas, which a plain frp server cannot tell apart',
    roles(),
    'spec.security: GatewayRequired: spec.backends.readWrite cannot be enforced by a plain frp server, so its Pods are not connected',
  ),
  {
    name: 'roles that are asked for at the port of an endpoint',
    object: service('good', {
      serviceType: 'tcp',
      backends: {
        endpoints: [{ host: 'pg.internal', port: 5432 }],
        readWrite: { writePort: 21005, readPort: 21006, roleCheck: { port: 5432 } },
      },
    }),
    warned: ['spec.backends.readWrite.roleCheck.port: 5432 is the port that users are sent to'],
  },
  {
    ...schema('roles without a port to read', {}, 'spec.backends.readWrite.readPort: Required value'),
    object: service('bad', roles({ readPort: undefined })),
  },
  webhookRoles(
    'roles of an http service',
    { serviceType: 'http', expose: { domain: 'new.corpus.example.com' } },
    'spec.backends.readWrite: is for serviceType tcp, and this is http, which knows no ports',
  ),
  {
    name: 'one port for writing and reading',
    object: service('bad', roles({ readPort: 21005 })),
    layer: 'webhook',
    refused: ['spec.backends.readWrite.readPort: is 21005, as writePort: clients say by the port whether they write; set another one'],
  },
  {
    name: 'a port to read that another service has',
    object: service('bad', roles({ readPort: 21100 })),
    layer: 'webhook',
    refused: ['spec.backends.readWrite: tcp port 21100 is already exposed by DistributedService corpus/standing-tcp; choose another port'],
  },
  {
    name: 'a port to write that is the gateway’s own',
    object: service('bad', roles({ writePort: 7500 }, { gateway: true })),
    layer: 'webhook',
    refused: ['spec.backends.readWrite: 7500 is a port of the gateway itself; choose another port'],
  },
  webhookRoles(
    'roles beside a port',
    { expose: { type: 'port', port: 21001 } },
    'spec.expose: names a port, and users come to writePort and readPort of spec.backends.readWrite; remove spec.expose.port',
  ),
  webhookRoles(
    'roles beside several ports',
    { expose: { type: 'port', ports: [{ name: 'pg', port: 21001 }] } },
    'spec.expose: names several ports, and users come to writePort and readPort of spec.backends.readWrite; remove spec.expose.ports, and make another service of the ports that have no roles',
  ),
  webhookRoles(
    'roles without a check',
    health({ enabled: false }),
    'spec.loadBalancing.healthCheck.enabled: cannot be false with spec.backends.readWrite: without a check nobody knows',
  ),
  webhookRoles(
    'roles beside a check of another kind',
    health({ type: 'http' }),
    'spec.loadBalancing.healthCheck.type: "http" cannot be used with spec.backends.readWrite, whose roleCheck takes its place',
  ),
];

/** What concerns the gateway. The installation of the corpus has none, so what is admitted is told that it needs one. */
const gatewayCases: ServiceCase[] = [
  good('any port, through the gateway', tcp({ gateway: true, expose: { type: 'port', port: 0 } })),
  throughGateway(udp)('udp', {}, 'spec.gateway: the gateway serves no udp; set it to false'),
  ...[7000, 7001, 7400, 7500, 7514, 8081, 10000, 10001, 10002, 10003, 10004, 10005].map((port) =>
    throughGateway(tcp)(
      `the gateway's own port ${port}`,
      { expose: { type: 'port', port } },
      `spec.expose.port: ${port} is a port of the gateway itself; choose another port (reserved: 80, 443, 7000, `,
    ),
  ),
  ...[80, 443, 8080, 8443].map((port) =>
    throughGateway(tcp)(
      `port ${port} of all hosts`,
      { expose: { type: 'port', port } },
      `spec.expose.port: ${port} is where the gateway serves all hosts by name; set spec.expose.domain in place of the port, if its clients begin with TLS, or choose another port (reserved: 80, 443, 7000, `,
    ),
  ),
  throughGateway(http)(
    'port 80 of all hosts, of http',
    { expose: { type: 'port', domain: 'new.corpus.example.com', port: 80 } },
    'spec.expose.port: 80 is where the gateway serves all hosts by name; set spec.expose.domain in place of the port, or choose another port',
  ),
  good(
    'a host name of tcp through the gateway',
    tcp({ gateway: true, expose: { type: 'domain', domain: 'db.corpus.example.com', tls } }),
    'spec.expose.domain: is found by TLS alone: of clients that begin with TLS and name the host. SSH, MySQL and PostgreSQL do not',
  ),
  throughGateway(tcp)(
    "a port that is the gateway's for Services of the cluster",
    { expose: { type: 'port', port: 61234 } },
    'spec.expose.port: 61234 is a port of the gateway itself; choose another port (reserved: ',
    '61000 to 65535)',
  ),
  {
    name: 'a Service of the cluster whose name none may have',
    object: service('v1.web', http({ expose: { domain: 'new.corpus.example.com', clusterService: {} } })),
    layer: 'webhook',
    refused: ['spec.expose.clusterService.name: is required: "v1.web" is no name for a Service'],
  },
  schema(
    'a name of a Service that begins with a digit',
    { expose: { domain: 'new.corpus.example.com', clusterService: { name: '1st' } } },
    'spec.expose.clusterService.name: Invalid value: "1st"',
  ),
  webhook(
    'a service that would ask itself, by its endpoints',
    {
      backends: { endpoints: [{ host: 'pool.corpus.svc.cluster.local', port: 80 }] },
      expose: { domain: 'new.corpus.example.com', clusterService: { name: 'pool' } },
    },
    'spec.expose.clusterService: would have the service ask itself: its Service is the backend "pool.corpus.svc.cluster.local"',
  ),
  webhookTcp(
    'a service that would ask itself, by mode dns',
    { backends: { discovery: { mode: 'dns', port: 5432 } }, expose: { type: 'port', port: 21001, clusterService: {} } },
    'spec.expose.clusterService: would have the service ask itself: its Service is the backend "bad.corpus.svc"',
  ),
  good(
    'a Service of the cluster that a plain frp server cannot have',
    http({ expose: { domain: 'new.corpus.example.com', clusterService: { name: 'pool', port: 8080 } } }),
    'spec.expose.clusterService: is not made: a plain frp server has no port for it',
  ),
  throughGateway(tcp)('TLS at a port', { expose: { type: 'port', port: 21001, tls } }, 'spec.expose.tls: needs a host name'),
  throughGateway(http)(
    'a redirect to nowhere',
    { expose: { domain: 'new.corpus.example.com', tls: { redirect: true } } },
    'spec.expose.tls.secretName: is required by redirect',
  ),
  throughGateway(http)(
    'a certificate from two sources',
    { expose: { domain: 'new.corpus.example.com', tls: { secretName: 'cert', issuerRef: { name: 'own' } } } },
    'spec.expose.tls.issuerRef: cannot be used with secretName',
  ),
  throughGateway(http)(
    'the issuer that opens tunnels',
    { expose: { domain: 'new.corpus.example.com', tls: { issuerRef: { name: 'frp-ca-issuer', kind: 'ClusterIssuer' } } } },
    'spec.expose.tls.issuerRef: ClusterIssuer frp-ca-issuer issues the client certificates of tunnels',
  ),
  throughGateway(http)(
    'an issuer of the cluster that nobody lists',
    { expose: { domain: 'new.corpus.example.com', tls: { issuerRef: { name: 'company', kind: 'ClusterIssuer' } } } },
    'spec.expose.tls.issuerRef: ClusterIssuer company is not listed',
  ),
  throughGateway(grpc)(
    'the PROXY protocol of grpc',
    { expose: { domain: 'new.corpus.example.com', proxyProtocol: 'v2' } },
    'spec.expose.proxyProtocol: cannot be used with grpc',
  ),
  webhookTcp('credentials that tcp cannot carry', { security: token }, 'spec.security.authentication: a tcp service has no requests'),
  throughGateway(grpc)(
    'credentials inside of TLS',
    { security: token },
    'spec.security.authentication: cannot be checked, because TLS passes through',
  ),
  webhook('a limit that limits nothing', { security: { rateLimit: {} } }, 'spec.security.rateLimit: limits nothing'),
  webhookTcp('routes of tcp', { routes: [{ groups: [group('a')] }] }, 'spec.routes: a tcp service has no requests'),
  webhook(
    'routes that lead nowhere',
    {
      routes: [
        { path: '/a', groups: [] },
        { groups: [group('a')] },
        { path: '/b', groups: [group('a', 0), group('a')] },
        { path: '/c', groups: [group('a', 0)] },
      ],
    },
    'spec.routes: [0] groups is empty',
    '[1] has neither path nor headers',
    '[2] group "a" is named twice',
    '[3] every weight is 0',
  ),
  good(
    'routes, the PROXY protocol and compression of a plain frp server',
    http({
      routes: [{ path: '/a/*', headers: { 'x-canary': '1' }, groups: [group('a')] }],
      expose: { domain: 'new.corpus.example.com', proxyProtocol: 'v1' },
      advanced: { compression: true },
    }),
    'spec.routes: needs the frp-k8s gateway',
    'spec.expose.proxyProtocol: needs the frp-k8s gateway',
    'spec.advanced.compression: needs the frp-k8s gateway',
  ),
  good(
    'limits and TLS, which a plain frp server cannot give',
    http({ expose: { domain: 'new.corpus.example.com', tls }, security: { ...token, rateLimit: { connections: 5 } } }),
    'GatewayRequired: spec.security.authentication (type token) and 2 more cannot be enforced',
  ),
  good(
    'a language model that a plain frp server cuts',
    http({ backends: { discovery: { port: 11434 } }, advanced: { timeout: { request: '10m' } } }),
    'spec.advanced.timeout.request: is not applied: a plain frp server answers 504 after its own vhostHTTPTimeout',
  ),
  good(
    'a language model that the gateway cuts',
    http({ gateway: true, backends: { discovery: { port: 11434 } } }),
    'spec.advanced.timeout.request: an answer that begins after 30s is cut: POST gets 504, and GET is sent again. Set it, such as 10m',
  ),
  good(
    'attempts that nobody waits for',
    http({ gateway: true, advanced: { timeout: { keepAlive: '300s' } } }),
    'spec.advanced.retry: a request that no backend answers is sent 3 times, 300s each',
  ),
  good(
    'a time of requests of tcp',
    tcp({ advanced: { timeout: { request: '1m' } } }),
    'spec.advanced.timeout.request: is not used: what passes are connections',
  ),
  good(
    'the gateway where there is none',
    http({ gateway: true, routes: [{ groups: [group('later')] }], advanced: { retry: { backoff: 'linear' } } }),
    'GatewayRequired: spec.gateway is true and the installation has no gateway',
    'spec.routes: there is no DistributedService "later" in the namespace yet',
    'spec.advanced.retry.backoff: "linear" is not applied',
  ),
  good('a service that only routes lead to', http({ gateway: true, expose: { path: '/' } }), 'spec.expose: names no host'),
  good(
    'a health check by TLS of an http service',
    http({ gateway: true, loadBalancing: { healthCheck: { type: 'https' } } }),
    'spec.loadBalancing.healthCheck.type: "https" asks',
  ),
  good('a service without the gateway, in so many words', udp({ gateway: false })),
];

const updateCases: ServiceCase[] = [
  {
    name: 'serviceType cannot change (G-11)',
    stored: service('changing', http({ expose: { domain: 'changing.corpus.example.com', port: 21004 } })),
    object: service('changing', tcp({ expose: { type: 'port', port: 21004 } })),
    layer: 'schema',
    refused: ['spec.serviceType: Invalid value: "tcp": serviceType cannot change after creation'],
  },
  {
    name: "an update onto another service's port (G-14)",
    stored: service('moving', tcp({ expose: { type: 'port', port: 21005 } })),
    object: service('moving', tcp({ expose: { type: 'port', port: 21100 } })),
    layer: 'webhook',
    refused: ['spec.expose.port: tcp port 21100 is already exposed by DistributedService corpus/standing-tcp'],
  },
  {
    name: 'an update of what is not claimed',
    stored: service('growing', tcp({ expose: { type: 'port', port: 21006 } })),
    object: service('growing', tcp({ expose: { type: 'port', port: 21006 }, loadBalancing: { healthCheck: { interval: '30s' } } })),
  },
];

export const serviceCases: ServiceCase[] = [
  ...decodingCases,
  ...schemaCases,
  ...webhookCases,
  ...portsCases,
  ...goodCases,
  ...gatewayCases,
  ...roleCases,
  ...updateCases,
];

/** Statuses that the status subresource of a standing service refuses (S-25). Offline there is nothing to check: users write no status. */
export const statusCases: { name: string; status: unknown; refused: string[] }[] = [
  {
    name: 'a state of another seed (B1.15)',
    status: { state: 'running' },
    refused: [
      unsupported('status.state', 'running', 'Pending', 'Provisioning', 'Running', 'Updating', 'Degraded', 'Failed', 'Terminating'),
    ],
  },
  {
    name: 'a condition of no known type',
    status: { conditions: [{ type: 'Synced', status: 'True' }] },
    refused: ['status.conditions[0].type: Unsupported value: "Synced"'],
  },
  {
    name: 'a condition without type and with a wrong status',
    status: { conditions: [{ status: 'Yes' }] },
    refused: ['status.conditions[0].type: Required value', 'status.conditions[0].status: Unsupported value: "Yes"'],
  },
  {
    name: 'two conditions of one type',
    status: { conditions: [1, 2].map(() => ({ type: 'Ready', status: 'True' })) },
    refused: ['status.conditions[1]: Duplicate value: {"type":"Ready"}'],
  },
];
