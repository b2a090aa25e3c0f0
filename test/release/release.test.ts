/** A release as whoever gets it sees it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { bundle } from '../../scripts/bundle.ts';
import { shippedImages } from '../../scripts/release/pins.ts';
import { programVersion as version } from '../../src/version.ts';

const root = join(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'frp-k8s-release-test-'));
const env = (name: string): string => process.env[name] ?? assert.fail(`${name} is not set: bash test/release/run sets it`);
const repository = 'registry.example/acme';

after(() => rmSync(scratch, { recursive: true, force: true }));

function sh(program: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string } = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  return { status, stdout, stderr: stderr || String(error ?? '') };
}

function done(program: string, args: readonly string[], options: Parameters<typeof sh>[2] = {}): string {
  const { status, stdout, stderr } = sh(program, args, options);
  assert.equal(status, 0, `${program} ${args.join(' ')}\n${stdout.slice(-2000)}\n${stderr.slice(-4000)}`);
  return stdout;
}

/** A clean clone with the packages of this checkout. */
function clone(name: string): string {
  const directory = join(scratch, name);
  done('git', ['clone', '--quiet', root, directory]);
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

const digestOf = (reference: string): string => `sha256:${createHash('sha256').update(reference).digest('hex')}`;
const digests = Object.values(shippedImages()).flatMap((reference) => ['--digest', `${reference}=${digestOf(reference)}`]);

const arguments_ = (out: string, key: string): string[] => [
  ...['--out', out, '--repository', repository, '--key', key, ...digests],
  ...['BASE', 'HAPROXY', 'FRPS'].flatMap((name) => ['--build-arg', `${name}=${env(name)}`]),
];

const release = (directory: string, args: readonly string[]) =>
  sh(process.execPath, ['scripts/release/run-release.ts', ...args], { cwd: directory });

/** NAME@VERSION of the packages that esbuild put into the program. */
async function bundled(): Promise<string[]> {
  const { inputs } = await bundle({ outfile: join(scratch, 'bundled.mjs') });
  const folders = Object.keys(inputs)
    .filter((path) => !path.includes(':'))
    .flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
  return [...new Set(folders)].map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { name: string; version: string };
    return `${name}@${version}`;
  });
}

/** Image of every container, of the Pods of all objects, and of sidecars, as the configuration says. */
function imagesIn(manifests: string): string[] {
  const found: string[] = [];
  const look = (value: unknown): void => {
    if (typeof value === 'string' && /^sidecar:$/m.test(value)) found.push(/^ +image: "?([^"\s]+)/m.exec(value)?.[1] ?? '');
    if (typeof value !== 'object' || value === null) return;
    for (const [key, each] of Object.entries(value)) {
      if (key === 'image' && typeof each === 'string') found.push(each);
      look(each);
    }
  };
  for (const document of parseAllDocuments(manifests)) {
    const object = document.toJS() as { kind?: string } | null;
    if (object && object.kind !== 'CustomResourceDefinition') look(object);
  }
  return found;
}

describe('a release', { concurrency: false }, () => {
  const [one, other] = [join(scratch, 'one'), join(scratch, 'other')];
  const key = join(scratch, 'key.pem');
  const unpacked = join(scratch, 'unpacked');
  const file = (name: string): string => join(one, name);

  before(() => {
    writeFileSync(key, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const [first, second] = [clone('first'), clone('second')];
    for (const [directory, out] of [
      [first, one],
      [second, other],
    ] as const) {
      const made = release(directory, arguments_(out, key));
      assert.equal(made.status, 0, made.stderr);
    }
    mkdirSync(unpacked);
    for (const name of readdirSync(one).filter((each) => /\.(tgz|tar\.gz|tar)$/.test(each))) {
      mkdirSync(join(unpacked, name));
      done('tar', ['-xf', file(name), '-C', join(unpacked, name)]);
    }
  });

  it('is the same bytes from two clones of a commit, but for its signature', () => {
    const bytes = (out: string) =>
      readdirSync(out)
        .filter((name) => name !== 'SHA256SUMS.sig')
        .map(
          (name) =>
            `${name} ${createHash('sha256')
              .update(readFileSync(join(out, name)))
              .digest('hex')}`,
        );
    assert.deepEqual(bytes(other), bytes(one));
    assert.equal(bytes(one).length, 10);
  });

  it('has checksums of everything in it, signed so that OpenSSL verifies it', () => {
    done('sha256sum', ['--strict', '-c', 'SHA256SUMS'], { cwd: one });
    const summed = readFileSync(file('SHA256SUMS'), 'utf8')
      .split('\n')
      .map((line) => line.slice(66));
    const own = ['SHA256SUMS', 'SHA256SUMS.sig', 'frp-k8s.pub'];
    assert.deepEqual(
      summed.filter(Boolean),
      readdirSync(one).filter((name) => !own.includes(name)),
    );
    const signature = join(scratch, 'signature');
    writeFileSync(signature, Buffer.from(readFileSync(file('SHA256SUMS.sig'), 'utf8'), 'base64'));
    const verify = (text: string) => sh('openssl', ['dgst', '-sha256', '-verify', file('frp-k8s.pub'), '-signature', signature, text]);
    assert.match(verify(file('SHA256SUMS')).stdout, /Verified OK/);
    writeFileSync(join(scratch, 'changed'), readFileSync(file('SHA256SUMS'), 'utf8').replace(/^./, '0x'));
    assert.notEqual(verify(join(scratch, 'changed')).status, 0);
  });

  it('has the program as one file that needs no Node.js', () => {
    const program = join(unpacked, `frp-k8s-${version}-linux-amd64.tar.gz`, `frp-k8s-${version}-linux-amd64`, 'frp-k8s');
    assert.equal(done(program, ['--version'], { env: {} }), `${version}\n`);
    const sample = join(root, 'manifests/samples/quick-start.yaml');
    const injected = done(program, ['inject', '-f', sample, '--services', sample], { env: {} });
    assert.match(injected, /image: docker\.io\/fatedier\/frpc:/);
  });

  it('starts the agent of a gateway from the one file, which has no script to name', () => {
    const program = join(unpacked, `frp-k8s-${version}-linux-amd64.tar.gz`, `frp-k8s-${version}-linux-amd64`, 'frp-k8s');
    const { stderr } = sh(program, ['gateway', 'up', '--dir', join(scratch, 'gateway'), '--part', 'agent', '--address', 'gw.example'], {
      env: {},
    });
    assert.doesNotMatch(stderr, /there is no command/);
  });

  it('has a chart and manifests that pull every image by its digest, its own ones as they are in its archives', () => {
    const layout = join(unpacked, `frp-k8s-image-${version}.oci.tar`, `frp-k8s-image-${version}`);
    const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
    const own = `${repository}/frp-k8s`;
    const chart = done(env('HELM'), [
      ...['template', 'frp-k8s', file(`frp-k8s-chart-${version}.tgz`), '--kube-version', '1.30.0'],
      ...['--set', 'gateway.enabled=true,frpServer.enabled=true'],
    ]);
    const base = join(unpacked, `frp-k8s-manifests-${version}.tar.gz`, `frp-k8s-manifests-${version}`);
    const kustomized = ['gateway', 'frps'].map((name) => done(env('KUBECTL'), ['kustomize', join(base, name)])).join('\n---\n');
    for (const [what, text] of Object.entries({ chart, kustomized })) {
      const images = new Set(imagesIn(text));
      const { frpc, frps, haproxy } = shippedImages();
      const bare = (reference: string) => reference.replace(/:[^:/]*(?=@)/, '');
      assert.deepEqual(
        [...images].map(bare).sort(),
        [`${own}@${manifests[0]!.digest}`, ...[frpc, frps, haproxy].map((each) => bare(`${each}@${digestOf(each)}`))].sort(),
        what,
      );
    }
  });

  it('has images that say what they are made of', () => {
    for (const name of ['frp-k8s', 'frp-k8s-gateway']) {
      const archive = `${name === 'frp-k8s' ? 'frp-k8s-image' : 'frp-k8s-gateway-image'}-${version}`;
      const layout = join(unpacked, `${archive}.oci.tar`, archive);
      const blob = (digest: string): unknown => JSON.parse(readFileSync(join(layout, 'blobs/sha256', digest.slice(7)), 'utf8'));
      const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: [{ digest: string }] };
      const list = blob(index.manifests[0].digest) as { manifests: [{ digest: string; platform: { architecture: string } }] };
      assert.equal(list.manifests[0].platform.architecture, 'amd64');
      const { config } = blob(list.manifests[0].digest) as { config: { digest: string } };
      const image = blob(config.digest) as { config: { Labels: Record<string, string>; User: string } };
      assert.equal(image.config.Labels['org.opencontainers.image.version'], version);
      assert.equal(image.config.Labels['org.opencontainers.image.title'], name);
      assert.equal(image.config.Labels['org.opencontainers.image.revision'], done('git', ['rev-parse', 'HEAD'], { cwd: root }).trim());
      assert.equal(image.config.User, '65532:65532');
    }
  });

  it('names in its bill of materials each package whose code is in the program', async () => {
    const bom = JSON.parse(readFileSync(file(`frp-k8s-${version}.cdx.json`), 'utf8')) as {
      bomFormat: string;
      components: { name: string; group?: string; version: string; type: string }[];
    };
    assert.equal(bom.bomFormat, 'CycloneDX');
    const named = new Set(bom.components.map(({ group, name, version }) => `${group ? `${group}/` : ''}${name}@${version}`));
    const wanted = await bundled();
    assert.ok(wanted.length > 20, wanted.join(', '));
    assert.deepEqual(
      wanted.filter((each) => !named.has(each)),
      [],
    );
    for (const image of Object.values(shippedImages()))
      assert.ok(named.has(`${image.slice(0, image.lastIndexOf(':'))}@${image.slice(image.lastIndexOf(':') + 1)}`), image);
  });

  it('says in its provenance which commit each file is of', () => {
    const { subject, predicate } = JSON.parse(readFileSync(file(`frp-k8s-${version}.intoto.json`), 'utf8')) as {
      subject: { name: string; digest: { sha256: string } }[];
      predicate: { buildDefinition: { resolvedDependencies: [{ digest: { gitCommit: string } }] } };
    };
    const sums = readFileSync(file('SHA256SUMS'), 'utf8');
    for (const { name, digest } of subject) assert.ok(sums.includes(`${digest.sha256}  ${name}\n`), name);
    assert.equal(subject.length, 7);
    assert.equal(
      predicate.buildDefinition.resolvedDependencies[0].digest.gitCommit,
      done('git', ['rev-parse', 'HEAD'], { cwd: root }).trim(),
    );
  });
});

describe('a release that is not made', () => {
  const directory = clone('refused');
  const refused = (args: readonly string[], expected: RegExp): void => {
    const { status, stderr } = release(directory, ['--repository', repository, ...args]);
    assert.equal(status, 1);
    assert.match(stderr, expected);
  };

  it('is one whose images are not all pinned', () => {
    refused(['--out', join(scratch, 'a'), ...digests.slice(2)], /no --digest for docker\.io\/fatedier\/frpc:/);
  });

  it('is one into a directory that has something in it', () => {
    refused(['--out', root, ...digests], /is not empty/);
  });

  it('is one of changes that are not committed', () => {
    writeFileSync(join(directory, 'README.md'), 'changed\n');
    refused(['--out', join(scratch, 'b'), ...digests], /not committed.*\n.*README\.md/);
    done('git', ['checkout', '--quiet', 'README.md'], { cwd: directory });
  });

  it('is one with a digest or an architecture that is none', () => {
    refused(['--out', join(scratch, 'c'), '--digest', 'frps=latest'], /--digest frps=latest must be/);
    refused(['--out', join(scratch, 'c'), '--arch', 'mips'], /--arch mips: amd64 or arm64/);
  });
});
