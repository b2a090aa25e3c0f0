/** Generated Pods and services: any shape that the API allows, fields that this program does not know included. */
import fc from 'fast-check';
import { configSchema } from '../../src/config/schema.ts';
import type { DistributedService, DistributedServiceSpec } from '../../src/model/types.ts';
import { service } from './services.ts';

const dnsLabel = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
/**
 * Any code point but halves of surrogate pairs: what `unit: 'binary'` is, which makes a map of a million characters for each
 * arbitrary that is built of it.
 */
export const anyCharacter = fc
  .integer({ min: 0, max: 0x10ffff })
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map(
    (code) => String.fromCodePoint(code),
    (text) => {
      const [character, ...others] = String(text);
      if (typeof text !== 'string' || character === undefined || others.length > 0) throw new Error('not one character');
      return character.codePointAt(0)!;
    },
  );
/** Text with what breaks templates, JSON, YAML and shells. */
export const nastyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('{{ .Envs.FRP_GROUP_KEY }}', '{{', '}}', '"', "'", '\\', '\u2028', '$(POD_UID)', '{{ "{{" }}', '\n- evil', '{\u0000'),
);
const json = fc.jsonValue({ maxDepth: 2 });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
/** Absent, null, or a value: the API accepts all three for lists and maps. */
const nullable = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary }, { weight: 1, arbitrary: fc.constantFrom(null, undefined) });
const without = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;

/** As it is after a journey as JSON. */
const onTheWire = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const quantity = fc.constantFrom('100m', '1', '2', '256Mi', '1Gi', '0.5', '1e3', '4000000Ki');
const resources = fc.record({
  requests: fc.record({ cpu: quantity, memory: quantity }),
  limits: optional(fc.record({ cpu: quantity, memory: quantity })),
});

const container = fc
  .record({
    name: dnsLabel.map((name) => `app-${name}`),
    image: fc.constantFrom('nginx:1', 'registry.local/x@sha256:abc'),
    ports: nullable(
      fc.array(
        fc
          .record({
            name: optional(dnsLabel),
            containerPort: fc.integer({ min: 1, max: 65535 }),
            protocol: optional(fc.constantFrom('TCP', 'UDP')),
          })
          .map(without),
        { maxLength: 3 },
      ),
    ),
    env: nullable(fc.array(fc.record({ name: fc.constantFrom('A', 'B', 'FRP_GROUP', 'POD_NAME'), value: nastyText }), { maxLength: 3 })),
    volumeMounts: nullable(
      fc.array(fc.record({ name: dnsLabel, mountPath: fc.constantFrom('/a', '/etc/frp', '/etc/frp/frpc.json') }), { maxLength: 2 }),
    ),
    resources: nullable(resources),
    restartPolicy: optional(fc.constantFrom('Always')),
    futureField: optional(json),
  })
  .map(without);

const uniquelyNamed = <T extends { name: string }>(item: fc.Arbitrary<T>, maxLength: number) =>
  fc.uniqueArray(item, { selector: ({ name }) => name, maxLength });

const userKey = fc.stringMatching(/^[a-z]{1,6}(\.[a-z]{1,4})?\/[a-zA-Z~_.-]{1,8}$/).filter((key) => !key.startsWith('frp.io/'));

/** A Pod that asks for one or more of the groups `web`, `admin` and `mail`, in any order. */
export const annotatedPod = fc
  .record({
    groups: fc.constantFrom('web', 'web,admin', 'admin , web', 'mail,web', 'web,admin,mail', 'mail, admin,web'),
    port: fc.integer({ min: 1, max: 65535 }),
    drain: optional(fc.constantFrom('0s', '5s', '2m', '100ms')),
    profile: optional(fc.constant('ollama')),
    gate: optional(fc.constantFrom('true', 'false')),
    readinessGates: nullable(
      fc.subarray([{ conditionType: 'frp.io/registered' }, { conditionType: 'example.com/warm' }, { conditionType: 'example.com/cold' }]),
    ),
    userAnnotations: fc.dictionary(userKey, nastyText, { maxKeys: 3, noNullPrototype: true }),
    labels: nullable(fc.dictionary(userKey, fc.constantFrom('a', ''), { maxKeys: 3, noNullPrototype: true })),
    containers: uniquelyNamed(container, 3).filter((list) => list.length > 0),
    initContainers: nullable(uniquelyNamed(container, 2)),
    volumes: nullable(uniquelyNamed(fc.record({ name: dnsLabel.map((name) => `v-${name}`), emptyDir: fc.constant({}) }), 3)),
    grace: nullable(fc.integer({ min: 0, max: 120 })),
    metadataExtra: fc.dictionary(fc.constantFrom('generateName', 'managedFields', 'creationTimestamp', 'future'), json, {
      noNullPrototype: true,
    }),
    specExtra: fc.dictionary(fc.constantFrom('hostAliases', 'futureSpec', 'priority', 'securityContext'), json, { noNullPrototype: true }),
    rest: fc.dictionary(fc.constantFrom('status', 'kind', 'futureTop'), json, { noNullPrototype: true }),
  })
  .map((parts) => ({
    ...parts.rest,
    metadata: without({
      ...parts.metadataExtra,
      annotations: without({
        ...parts.userAnnotations,
        'frp.io/group': parts.groups,
        'frp.io/port': String(parts.port),
        'frp.io/drain': parts.drain,
        'frp.io/profile': parts.profile,
        'frp.io/readiness-gate': parts.gate,
      }),
      labels: parts.labels,
    }),
    spec: without({
      ...parts.specExtra,
      containers: parts.containers,
      initContainers: parts.initContainers,
      volumes: parts.volumes,
      terminationGracePeriodSeconds: parts.grace,
      readinessGates: parts.readinessGates,
    }),
  }))
  .map(onTheWire);

const duration = fc.constantFrom('1s', '10s', '2m');

/** An installation with a gateway of one or more replicas. */
export const gatewayConfig = fc
  .constantFrom(['gw.example.com'], ['gw-0.example.com:7001', '[2001:db8::1]'], ['a.example.com', 'b.example.com', 'c.example.com'])
  .map((addresses) => configSchema.parse({ gateway: { addresses } }));

/** Specs that an installation with a gateway serves, through it or not, with nasty text wherever the schema lets a user write freely. */
export const spec: fc.Arbitrary<DistributedServiceSpec> = fc
  .record({
    serviceType: fc.constantFrom<'http' | 'tcp' | 'udp' | 'grpc'>('http', 'tcp', 'udp', 'grpc'),
    port: fc.integer({ min: 1, max: 65535 }),
    exposeType: fc.constantFrom<'domain' | 'port' | 'path'>('domain', 'port', 'path'),
    domain: fc.constantFrom('a.example.com', '*.example.com', 'b.c.d'),
    path: optional(fc.stringMatching(/^\/[a-zA-Z0-9\-_/]{0,12}$/)),
    check: optional(
      fc.record({
        enabled: fc.boolean(),
        type: optional(fc.constantFrom('tcp', 'http', 'https', 'grpc')),
        path: optional(fc.constantFrom('/health', '/{{ .Envs.FRP_GROUP_KEY }}', '/{{"', '/a?b={', '/\\')),
        interval: optional(duration),
        timeout: optional(duration),
        failureThreshold: optional(fc.integer({ min: 1, max: 10 })),
      }),
    ),
    pool: optional(fc.record({ enabled: fc.boolean(), size: optional(fc.integer({ min: 1, max: 100 })) })),
    bandwidth: optional(fc.record({ limit: fc.constantFrom('1MB', '512KB', '3GB'), mode: optional(fc.constantFrom('client', 'server')) })),
    timeout: optional(fc.record({ dial: optional(duration), keepAlive: optional(duration) })),
    gateway: optional(fc.boolean()),
  })
  .map((parts): DistributedServiceSpec => {
    const type = parts.serviceType === 'udp' ? 'port' : parts.exposeType;
    return {
      serviceType: parts.serviceType,
      backends: { discovery: { mode: 'auto' } },
      expose: without({ type, domain: parts.domain, path: parts.path, port: parts.port }),
      loadBalancing: parts.check ? { healthCheck: without(parts.check) } : undefined,
      advanced: without({ connectionPool: parts.pool, bandwidth: parts.bandwidth, timeout: parts.timeout }),
      // An installation with a gateway serves no udp through it, and one without a gateway nothing.
      gateway: parts.serviceType === 'udp' ? false : parts.gateway,
    };
  });

/** The services that `annotatedPod` names. */
export const services: fc.Arbitrary<DistributedService[]> = fc
  .tuple(spec, spec, spec)
  .map(([web, admin, mail]) => [service('web', web), service('admin', admin), service('mail', mail)]);
/** The same for an installation without a gateway. */
export const plainServices = services.map((known) =>
  known.map(({ spec: { gateway: _, ...plain }, ...rest }): DistributedService => ({ ...rest, spec: plain })),
);
