/**
 * Generated objects of a hostile tenant: whatever the API server admits, with extreme values by preference. Services are made
 * from the schema itself and kept where the offline validation, which says what the API server would, has nothing against them.
 */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import forge from 'node-forge';
import { contentOf, referencesOf } from '../../src/kube/secret-references.ts';
import { configSchema } from '../../src/config/schema.ts';
import { openApiSchema, type SchemaNode } from '../../src/model/crd.ts';
import { hostsOf } from '../../src/model/exposure.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { base64 } from '../../src/kube/authority-secret.ts';
import type { Secret } from '../../src/kube/types.ts';
import { validateOffline } from '../../webhooks/distributedservices/offline.ts';
import { contextWith } from '../corpus/context.ts';

export const namespace = 'evil';
/** Services that are put together; their names are p0, p1, …, so that routes meet each other. */
export const batchSize = 5;

export interface Poison {
  service: DistributedService;
  /** of the user, by name */
  secrets: Record<string, Record<string, string>>;
  /** what its issuer answers at its JWKS address */
  jwks: unknown;
  /** hashes in the names of the proxies that a Pod of it registers: more than one is one backend twice */
  hashes: readonly string[];
}

const text = fc.oneof(
  fc.constantFrom(
    "it's",
    '"',
    '\\',
    '%[src]',
    '%%',
    '${HOME}',
    '# x',
    '{ always_true }',
    'a b',
    'a\nbackend evil',
    '|a|',
    'x,y',
    '$(id)',
    ',',
    '__proto__',
    'toString',
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
);

/** Texts of a pattern, short ones and the longest that the schema admits. */
function texts({ pattern, minLength = 0, maxLength = 20 }: SchemaNode): fc.Arbitrary<string> {
  const long = (part: string) => part.repeat(Math.ceil(maxLength / part.length)).slice(0, maxLength);
  if (pattern === undefined)
    return fc
      .oneof(text, fc.constantFrom(...['a', '𝒳', "'", '"', '\\', '%[', '|', ' '].map((part) => part.repeat(maxLength))))
      .map((value) => [...value].slice(0, maxLength).join(''))
      .filter((value) => value.length >= minLength);
  const form = new RegExp(pattern);
  const extremes = ['a', '-a', 'aa/', '*a', "'", '"', '\\', '%', ';', '#', '{', '1', '%[src]']
    .flatMap((part) => [`/${long(part)}`.slice(0, maxLength), long(part), long(part).replace(/.$/, 'z')])
    .concat('0s', '1s', '999999s', '9999m', '9999999s', '9999h', '0h', '9999d', '/', '//', '/*', '/a/*', '/a//b/../c', '999999999GB')
    .filter((value) => form.test(value) && [...value].length <= maxLength && value.length >= minLength);
  const random = fc.stringMatching(form, { size: 'small' }).filter((value) => value.length <= maxLength);
  return extremes.length === 0 ? random : fc.oneof(fc.constantFrom(...extremes), random);
}

/** Values that a node of the schema admits. */
function extreme(node: SchemaNode): fc.Arbitrary<unknown> {
  if (node.enum) return fc.constantFrom(...node.enum);
  switch (node.type ?? 'string') {
    case 'integer': {
      const { minimum: min = 0, maximum: max = 65_535 } = node;
      return fc.oneof(fc.constantFrom(min, max, Math.min(max, min + 1)), fc.integer({ min, max }));
    }
    case 'boolean':
      return fc.boolean();
    case 'array': {
      const { maxItems = 20 } = node;
      return fc
        .tuple(fc.array(extreme(node.items!), { minLength: 1, maxLength: 3 }), fc.constantFrom(1, 2, 3, 9, maxItems))
        .map(([items, length]) => Array.from({ length: Math.min(length, maxItems) }, (_, index) => items[index % items.length]));
    }
    case 'object':
      if (node.properties) return fc.record(membersOf(node.properties), { requiredKeys: [...(node.required ?? [])] });
      return fc
        .tuple(
          extreme(node.additionalProperties!),
          fc.constantFrom(0, 1, 2, node.maxProperties ?? 3),
          fc.constantFrom('X-A', 'x_', 'y'.repeat(120)),
        )
        .map(([value, count, name]) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, value])));
    default:
      return texts(node);
  }
}

const membersOf = (properties: Readonly<Record<string, SchemaNode>>) =>
  Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, extreme(property)]));

const spec = openApiSchema().properties!.spec!.properties!;
const part = (name: string) => fc.option(extreme(spec[name]!) as fc.Arbitrary<Record<string, never>>, { nil: undefined });

type Security = { authentication?: object; mtls?: { certRotation?: unknown } } | undefined;

/** With the Secrets that its kind of authentication and of certificates needs. */
const completed = (security: Security): object | undefined =>
  security && {
    ...security,
    ...(security.authentication && { authentication: { tokenSecret: 'credentials', ...security.authentication } }),
    ...(security.mtls && {
      mtls: { caSecret: 'authority', certSecret: 'certificate', ...security.mtls, certRotation: { enabled: false } },
    }),
  };

/** The part of the tenant's that decides whether the object is admitted at all is set, the rest as it comes. */
const wanted = fc
  .record({
    serviceType: fc.constantFrom('http' as const, 'http' as const, 'http' as const, 'grpc' as const, 'tcp' as const),
    expose: extreme(spec.expose!) as fc.Arbitrary<Record<string, unknown>>,
    host: fc.constantFrom('', '*.', `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.`, `${'long'.repeat(50)}.`),
    isByPort: fc.boolean(),
    hasPorts: fc.boolean(),
    loadBalancing: part('loadBalancing'),
    security: part('security').map(completed),
    advanced: part('advanced'),
    routes: part('routes') as unknown as fc.Arbitrary<{ groups?: { name: string }[] }[] | undefined>,
  })
  .map(({ serviceType, expose, host, isByPort, hasPorts, loadBalancing, security, advanced, routes }) => ({
    serviceType,
    // Where it is told where it is put: host and port are its own.
    expose: {
      ...expose,
      tls: certificateOf(expose.tls),
      subdomain: undefined,
      port: isByPort ? 1 : undefined,
      ports: undefined,
      domain: isByPort ? undefined : host,
      type: isByPort ? 'port' : 'domain',
    },
    // Of a service with several ports: most of the rest goes with one alone.
    ...(serviceType === 'tcp' &&
      hasPorts && {
        expose: { type: 'port', subdomain: undefined, port: undefined, ports: namesOfPorts, domain: undefined },
      }),
    loadBalancing,
    security,
    advanced,
    routes: routes?.map((route) => ({
      ...route,
      groups: [...new Map((route.groups ?? []).map((group, index) => [index, { ...group, name: `p${index % batchSize}` }])).values()].slice(
        0,
        batchSize,
      ),
    })),
    backends: { discovery: { mode: 'auto' } },
  }));

/** Of a Secret or of an issuer, as one service has one of them: an issuer has to be one that the installation lists. */
const certificateOf = (tls: unknown): object | undefined =>
  typeof tls === 'object' && tls !== null && 'secretName' in tls ? { ...tls, issuerRef: undefined } : (tls as object | undefined);

/** Of a service with several. */
const namesOfPorts = ['a', `${'b'.repeat(13)}-9`];

type Wanted = typeof wanted extends fc.Arbitrary<infer T> ? T : never;

const config = configSchema.parse({ gateway: { addresses: ['gw.example.com'] } });
const json = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** @param index in its batch @param port that it may be exposed at */
function serviceOf(value: Wanted, index: number, port: number): DistributedService {
  const { expose } = value;
  return json({
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { name: `p${index}`, namespace, creationTimestamp: '2026-01-02T00:00:00Z' },
    spec: {
      ...value,
      expose: {
        ...expose,
        port: expose.port === undefined ? undefined : port,
        ports: expose.ports?.map((name, at) => ({ name, port: port + 2000 * at })),
        domain: expose.domain === undefined ? undefined : `${expose.domain}p${index}.evil.example.com`,
      },
    },
  }) as unknown as DistributedService;
}

/** Bytes of an object; etcd's limit, which is below the API server's. */
const largest = 1.5 * 1024 * 1024;

/** Whether the API server, with the webhooks, takes it. */
export const isAdmitted = (service: DistributedService): boolean =>
  JSON.stringify(service).length <= largest && validateOffline(service, { ...contextWith([], config), namespace }).layer === undefined;

/** The parts that a spec may have or not: what is left without them is nearly always admitted. */
const parts = ['loadBalancing', 'advanced', 'routes', 'security'] as const;
const bare = (value: Wanted): Wanted => ({
  ...value,
  ...Object.fromEntries(parts.map((name) => [name, undefined])),
  expose: Object.assign({ ...value.expose }, { tls: undefined, proxyProtocol: undefined }),
});

/**
 * As much of a spec as is admitted: one of which every part is extreme seldom is. Parts are added one after the other, and of a part
 * that is not admitted as a whole its fields.
 * @param first the part that is added first, and so is left out least
 */
function admitted(value: Wanted, first: number): Wanted | undefined {
  let kept = bare(value);
  const add = (more: Partial<Wanted>): boolean => {
    const next = { ...kept, ...more };
    if (!isAdmitted(serviceOf(next, 0, 40_000))) return false;
    kept = next;
    return true;
  };
  const addPart = (name: 'expose' | (typeof parts)[number], part: object | undefined): void => {
    if (part === undefined || add({ [name]: part }) || Array.isArray(part)) return;
    for (const [field, content] of Object.entries(part) as [string, unknown][]) add({ [name]: { ...kept[name], [field]: content } });
  };
  if (!add({})) return undefined;
  const all = ['expose', ...parts] as const;
  all.forEach((_, index) => {
    const name = all[(first + index) % all.length]!;
    addPart(name, value[name]);
  });
  return kept;
}

const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength }).privateKey;
const pem = (key: ReturnType<typeof createPrivateKey>) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

interface Made {
  key: ReturnType<typeof createPrivateKey>;
  md?: forge.md.MessageDigest;
  subject?: string;
  isAuthority?: boolean;
  years?: number;
  signer?: ReturnType<typeof createPrivateKey>;
}

/** As the user's own authority makes it, which nothing keeps from odd things. */
function certificate({ key, md = forge.md.sha256.create(), subject = 'x', isAuthority = false, years = 1, signer = key }: Made): string {
  const made = forge.pki.createCertificate();
  made.serialNumber = '00a1';
  const own = forge.pki.privateKeyFromPem(pem(key));
  made.publicKey = forge.pki.setRsaPublicKey(own.n, own.e);
  made.validity.notBefore = new Date(Date.now() - 86_400_000);
  made.validity.notAfter = new Date(Date.now() + years * 31_536_000_000);
  made.setSubject([{ name: 'commonName', value: subject }]);
  made.setIssuer([{ name: 'commonName', value: signer === key ? subject : 'issuer' }]);
  made.setExtensions([
    { name: 'basicConstraints', cA: isAuthority },
    ...(isAuthority ? [] : [{ name: 'subjectAltName', altNames: [{ type: 2, value: '*.evil.example.com' }] }]),
  ]);
  made.sign(forge.pki.privateKeyFromPem(pem(signer)), md);
  return forge.pki.certificateToPem(made);
}

function tlsSecrets(): Record<string, string>[] {
  const [good, weak, other] = [rsa(2048), rsa(1024), rsa(2048)];
  const { privateKey: curve } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const pair = (crt: string, key: ReturnType<typeof createPrivateKey>) => ({ 'tls.crt': crt, 'tls.key': pem(key) });
  const fine = certificate({ key: good, signer: other });
  return [
    pair(fine, good),
    pair(certificate({ key: good, md: forge.md.sha1.create(), signer: other }), good),
    pair(fine + certificate({ key: other, md: forge.md.sha1.create(), signer: good, isAuthority: true }), good),
    pair(certificate({ key: good, md: forge.md.md5.create(), signer: other }), good),
    pair(certificate({ key: weak, signer: other }), weak),
    pair(fine, other),
    pair(fine, curve),
    pair(fine + fine.repeat(60), good),
    pair(certificate({ key: good, signer: other, years: -0.001 }), good),
    pair(certificate({ key: good, signer: other, years: 7000 }), good),
    { 'tls.crt': `junk\n${fine}\njunk ' " \\ %[src]`, 'tls.key': `${pem(good)}junk` },
    { 'tls.crt': '', 'tls.key': '' },
  ];
}

function authoritySecrets(): Record<string, string>[] {
  const key = rsa(2048);
  const authority = (subject: string) => certificate({ key, subject, isAuthority: true });
  const long = authority('A'.repeat(400));
  return [
    { 'ca.crt': authority('one') },
    { 'ca.crt': Array.from({ length: 40 }, (_, index) => authority(`${index} ${'A'.repeat(1800)}`)).join('') },
    { 'ca.crt': long.repeat(100) },
    { 'ca.crt': certificate({ key, isAuthority: true, md: forge.md.sha1.create() }) },
    { 'ca.crt': certificate({ key: rsa(1024), isAuthority: true }) },
    { 'ca.crt': certificate({ key, subject: 'end', isAuthority: false }) },
    { 'ca.crt': 'junk' },
  ];
}

/** Values that take seconds to make are made once. */
const pools = { tls: tlsSecrets(), authorities: authoritySecrets() };

const namedSecrets = fc
  .tuple(fc.constantFrom('a', '-._', 'n'.repeat(250)), fc.constantFrom(0, 1, 3, 2000), fc.constantFrom('k', "'k", '%', 'k'.repeat(8000)))
  .map(([name, count, key]) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, `${key}${index % 1500}`])),
  );

const credentialSecrets: Record<string, fc.Arbitrary<Record<string, string>>> = {
  token: fc.constantFrom('x', '"', "'\\%[src]", 'a'.repeat(8000), ' ', 'a b', 'é', '').map((token) => ({ token })),
  apikey: namedSecrets,
  basic: namedSecrets,
  oauth2: fc.record({
    audience: fc.constantFrom('a', "'", '"$', '%[src]', '#', '{}', 'a'.repeat(1024)),
    rolesClaim: fc.constantFrom('', 'roles', 'a.b.c', 'r'.repeat(253), 'a:b/c', '.', '-', 'a'.repeat(120) + '.' + 'b'.repeat(120)),
  }),
};

const keys = ((): Record<string, unknown>[] => {
  const jwk = (key: ReturnType<typeof createPrivateKey>) => {
    const { kty, n, e, crv, x, y } = key.export({ format: 'jwk' }) as Record<string, unknown>;
    return json({ kty, n, e, crv, x, y });
  };
  const curve = (namedCurve: string) => jwk(generateKeyPairSync('ec', { namedCurve }).privateKey);
  return [
    jwk(rsa(2048)),
    jwk(rsa(1024)),
    curve('P-256'),
    curve('P-384'),
    curve('P-521'),
    curve('secp256k1'),
    jwk(generateKeyPairSync('ed25519').privateKey),
  ];
})();
const anything = fc.oneof(fc.constantFrom<unknown>(null, 123, -1, true, [], {}, '', 'a'.repeat(5000), '__proto__'), text);
const key = fc
  .tuple(
    fc.constantFrom(...keys),
    fc.dictionary(fc.constantFrom('kid', 'alg', 'use', 'crv', 'n', 'e', 'x', 'kty'), anything, { maxKeys: 2 }),
  )
  .map(([base, odd]) => ({ ...base, ...odd }));
const jwks = fc.oneof(
  { weight: 6, arbitrary: fc.array(key, { maxLength: 6 }).map((all) => ({ keys: all })) },
  { weight: 1, arbitrary: fc.array(fc.oneof(key, anything), { maxLength: 4 }).map((all) => ({ keys: all })) },
  { weight: 1, arbitrary: key.map((one) => ({ keys: Array.from({ length: 500 }, (_, index) => ({ ...one, kid: String(index) })) })) },
  { weight: 1, arbitrary: fc.oneof(anything, fc.jsonValue()) },
);

/** Names of Secrets in a service do not depend on each other, so each of its references can have another one. */
const secretsFor = (service: DistributedService, issuer: string): fc.Arbitrary<Poison['secrets']> =>
  fc.record(
    Object.fromEntries(
      referencesOf(service).map(({ kind, secret, type }) => [
        secret,
        kind === 'tls'
          ? fc.constantFrom(...pools.tls)
          : kind === 'client-ca'
            ? fc.constantFrom(...pools.authorities)
            : credentialSecrets[type!]!.map((data) => (type === 'oauth2' ? { issuer, jwksURL: `${issuer}/keys`, ...data } : data)),
      ]),
    ),
  );

const hash = fc.integer({ min: 0, max: 0xffffffff }).map((value) => value.toString(16).padStart(8, '0'));

/**
 * @param index in its batch
 * @param port that it may be exposed at
 * @param issuer URL of a server that answers `jwks` at /keys below it
 */
export const poison = (index: number, port: number, issuer: string): fc.Arbitrary<Poison> =>
  fc
    .tuple(wanted, fc.nat(parts.length))
    .map(([value, first]) => admitted(value, first))
    .filter((value) => value !== undefined)
    .chain((value) => {
      const service = serviceOf(value, index, port);
      return fc.record({
        service: fc.constant(service),
        secrets: secretsFor(service, issuer),
        jwks,
        hashes: fc.uniqueArray(hash, { minLength: 1, maxLength: 3 }),
      });
    });

/** The copies that the controller makes of a service's Secrets for the gateway. */
export function copiesOf({ service, secrets }: Poison, gatewayNamespace: string): Secret[] {
  return referencesOf(service).flatMap((reference) => {
    const data = secrets[reference.secret];
    if (!data) return [];
    const encode = (values: Record<string, string>) =>
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, base64(value)]));
    const secret = { metadata: { name: reference.secret, namespace }, data: encode(data) };
    const copied = contentOf(reference, secret, { hosts: hostsOf(service.spec, undefined), now: Date.now(), allowHttp: true }).data;
    if (!copied) return [];
    const name = `copy-${service.metadata.name}-${reference.kind}`;
    const annotations = { 'frp.io/copy-of': `${namespace}/${reference.secret}`, 'frp.io/copy-kind': reference.kind };
    return [
      { metadata: { name, namespace: gatewayNamespace, labels: { 'frp.io/gateway-copy': 'true' }, annotations }, data: encode(copied) },
    ];
  });
}
