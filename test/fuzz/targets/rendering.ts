/**
 * DistributedServices that the schema lets through, to what HAProxy is told: a list of `{service, access, texts}`. A
 * bystander beside them is served as if it were alone. With FUZZ_HAPROXY, the program itself reads each configuration.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { configSchema } from '../../../src/config/schema.ts';
import { renderUsers, serverName, type Rendered, type UsersSettings } from '../../../src/gateway/haproxy/index.ts';
import type { Access, View } from '../../../src/gateway/ir/ir.ts';
import { viewOf } from '../../../src/gateway/ir/translate.ts';
import type { Member } from '../../../src/gateway/members/members.ts';
import { isObject } from '../../../src/model/json.ts';
import { schemaFindings } from '../../../src/model/schema-findings.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { serviceCases } from '../../corpus/services.ts';
import { service as serviceOf } from '../../support/services.ts';
import { validService } from '../../unit/model/arbitrary.ts';
import { parsed } from '../mutate.ts';
import { wayOf, type Target } from '../target.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw.example.com'] }, baseDomain: 'base.example.com' });
const haproxy = process.env.FUZZ_HAPROXY;
const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-fuzz-'));
const settings: UsersSettings = {
  directory,
  httpPort: 18_080,
  httpsPort: 18_443,
  trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
  proxyProtocol: true,
  healthPort: 10_002,
  maxConnections: 1000,
  peers: [{ name: 'gw-0', address: '127.0.0.1:10000' }],
  localPeer: 'gw-0',
  requestLog: '127.0.0.1:7514',
  requestLines: { all: true, query: true, sampled: 0.5 },
};
const bystander = serviceOf('bystander', { expose: { type: 'domain', domain: 'bystander.example.org' } }, 'zz-bystander');
/** Most services of one input, so that its time says something of one of them. */
const most = 40;

interface Given {
  service: DistributedService;
  access: Access;
}

const keyOf = ({ metadata }: DistributedService): string => `${metadata.namespace}/${metadata.name}`;
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((text) => typeof text === 'string').slice(0, 8) : []);

/** What the agent makes of a service's Secrets and issuers, with texts of users' choice where these have any. */
function accessOf(kind: unknown, [a = 'a', b = 'b', c = 'c']: readonly string[]): Access {
  if (kind === 'keys') return { kind, header: 'apikey', clients: { ['0'.repeat(64)]: a, ['f'.repeat(64)]: b } };
  if (kind === 'jwt') return { kind, issuer: a, audience: b, rolesClaim: c, keys: [{ kid: a, alg: 'RS256', publicKeyPem: 'PEM' }] };
  return kind === 'unavailable' ? { kind, reason: a } : { kind: 'none' };
}

function givenIn(input: Buffer): Given[] | string {
  const value = parsed(input);
  if (!Array.isArray(value)) return 'no list';
  const found = value.slice(0, most).filter((each) => isObject(each) && isObject(each.service)) as Record<string, unknown>[];
  const refused = found.map(({ service }) => schemaFindings(service as Record<string, unknown>)[0]);
  const passed = found.filter((_, index) => refused[index] === undefined);
  if (passed.length === 0) return `refused ${wayOf(refused[0]?.message ?? '')} ${refused[0]?.path ?? ''}`;
  const given = passed.map(({ service, access, texts: own }): Given => ({ service: named(service), access: accessOf(access, texts(own)) }));
  return [...new Map(given.map((each) => [keyOf(each.service), each])).values()];
}

/** Names as the API server lets them be: the schema is not asked about namespaces. */
function named(given: unknown): DistributedService {
  const { metadata, ...rest } = given as DistributedService;
  const namespace =
    /^[a-z0-9-]{1,63}$/.test(String(metadata.namespace)) && metadata.namespace !== 'zz-bystander' ? metadata.namespace : 'shop';
  return { ...rest, metadata: { name: metadata.name, namespace } };
}

const member = (key: string, port: number): Member => ({
  name: `${key}.1`,
  service: key,
  backendId: '1',
  identity: { namespace: key.split('/')[0]!, pod: 'web-0', uid: 'u' } as unknown as Member['identity'],
  origins: [],
  port,
});

function rendered(given: readonly Given[]): Rendered & { viewFailed: View['failed'] } {
  const services = [...given, { service: bystander, access: { kind: 'none' } as Access }];
  const access = new Map(services.map((each) => [keyOf(each.service), each.access]));
  const view = viewOf({
    services: services.map(({ service }) => service),
    conflictsOf: () => [],
    members: services.map(({ service }, index) => member(keyOf(service), service === bystander ? 29_999 : 20_000 + index)),
    podOf: () => 'unknown',
    accessOf: (service) => access.get(keyOf(service))!,
    certificateOf: () => undefined,
    config,
  });
  return { ...renderUsers(view, settings), viewFailed: view.failed };
}

/** Sections by their first line. */
const sectionsOf = (text: string): Map<string, string> =>
  new Map(text.split(/\n(?=[a-z])/).map((section): [string, string] => [section.split('\n', 1)[0]!, section.trimEnd()]));

const alone = rendered([]);
const own = [...sectionsOf(alone.config)].filter(([, section]) => section.includes(serverName('zz-bystander/bystander', '1')));
assert.ok(own.length > 0, 'the bystander has no backend');

/** What means something to HAProxy, each before a mark that nothing else has: where the mark is, such a text of a user is. */
const marked = [' ', "'", '"', '%', '$', '\\', '#', '; http-request allow ', "x' if TRUE ", '%[src] '].map((text) => `${text}ZQ`);

/** Texts of users are in quotation marks, and where HAProxy reads a log format `%` stands for itself. */
function checkQuoting(config: string): void {
  for (const line of config.split('\n')) {
    if (!line.includes('ZQ')) continue;
    const bare = line.replace(/\\'/g, '').replace(/'[^']*'|"(?:[^"\\]|\\.)*"/g, '');
    assert.doesNotMatch(bare, /[ '"%$\\#]ZQ/, `a text of a user is bare in: ${line.slice(0, 500)}`);
    if (/set-header|lf-string| hdr /.test(line))
      assert.doesNotMatch(line, /(?<!%)(?:%%)*%(?:\[src\] )?ZQ/, `% of a user is read in: ${line.slice(0, 500)}`);
  }
}

function check(result: ReturnType<typeof rendered>): void {
  assert.doesNotMatch(result.config, /[\x00-\x08\x0b-\x1f\x7f]/, 'a control character is in the configuration');
  checkQuoting(result.config);
  for (const section of result.config.match(/^\S.*/gm) ?? [])
    assert.match(section, /^(#.*|global|defaults|peers replicas|(frontend|backend|listen) (frp|svc|be|rate)-[a-z0-9-]+)$/);
  for (const line of result.config.match(/^ +server (?!gw-0$).*/gm) ?? [])
    assert.match(line, /^ {2}server [A-Za-z0-9_-]{1,64} (127\.0\.0\.1:\d+|(unix@)?\/\S+)( |$)/);
  for (const failed of [result.failed, result.viewFailed ?? new Map<string, string>()])
    assert.ok(!failed.has('zz-bystander/bystander'), 'the bystander is left out');
  const sections = sectionsOf(result.config);
  for (const [name, section] of own) assert.equal(sections.get(name), section, 'the bystander is served otherwise');
  if (haproxy !== undefined) assert.equal(complaint(haproxy, result), '');
}

function complaint(program: string, { config: text, files }: Rendered): string {
  for (const [path, content] of [...files, ['haproxy.cfg', text] as const]) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  const { status, stdout, stderr } = spawnSync(program, ['-c', '-f', join(directory, 'haproxy.cfg')], { encoding: 'utf8', cwd: directory });
  return status === 0 ? '' : `${stdout}${stderr}`;
}

function* corpus(): Iterable<Buffer> {
  const of = (...services: unknown[]) =>
    Buffer.from(
      JSON.stringify(
        services.map((service, index) => ({ service, access: ['none', 'keys', 'jwt', 'unavailable'][index % 4], texts: ['a', 'b', 'c'] })),
      ),
    );
  for (const mark of marked) {
    const headers = { request: { set: { 'X-A': mark } }, response: { set: { 'X-B': mark } } };
    const authorization = { enabled: true, rules: [{ path: '/a', roles: [mark] }] };
    const routes = [{ path: '/b', headers: { 'X-C': mark }, groups: [{ name: 'marked' }] }];
    const marks = { expose: { domain: 'marked.example.com', headers }, security: { authorization }, routes };
    for (const access of ['keys', 'jwt', 'unavailable'])
      yield Buffer.from(JSON.stringify([{ service: serviceOf('marked', marks), access, texts: [mark, mark, mark] }]));
  }
  const objects = serviceCases.map(({ object }) => object);
  for (const object of objects) yield of(object);
  for (const service of fc.sample(validService, { numRuns: 150, seed: 1 }))
    yield of(service, { ...service, metadata: { name: 'b', namespace: 'b' } });
}

export const target: Target = {
  corpus,
  isJson: true,
  words: [
    ...marked,
    '%[src]',
    '${HOME}',
    '# comment',
    '\n  server x 1.2.3.4:80',
    'a.example.com',
    '*.example.com',
    '/a/*',
    'access',
    'texts',
    'jwt',
    'keys',
    'unavailable',
    'routes',
    'headers',
    'groups',
    'tcp',
    'grpc',
    'sticky',
    'cookie',
    'readWrite',
    'cors',
    'ports',
    '__proto__',
    'bystander.example.org.',
  ],
  run: (input) => {
    const given = givenIn(input);
    if (typeof given === 'string') return given;
    const result = rendered(given);
    check(result);
    const failed = [...result.failed.values(), ...(result.viewFailed?.values() ?? []), ...result.problems].map(wayOf);
    // Which directives there are is the way that it went.
    const directives = new Set(result.config.match(/^ +[a-z-]+ [a-z-]+/gm));
    return `${failed.sort().join()} ${[...directives].sort().join()}`;
  },
};
