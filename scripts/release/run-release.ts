/** `npm run release`: everything that a release ships, made in one directory from a commit. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import manifest from '../../package.json' with { type: 'json' };
import { chartPackage } from './chart.ts';
import { checksums, provenance, signature } from './evidence.ts';
import { executables } from './executable.ts';
import { imageNames, images, type ImageName } from './images.ts';
import { manifestsArchive } from './manifests.ts';
import { npmPackage } from './npm.ts';
import { pinsOf, shippedImages } from './pins.ts';
import { ownReference, type Architecture, type Release } from './release.ts';
import { run } from './run.ts';
import { billOfMaterials } from './sbom.ts';

const usage = `npm run release -- --out DIR --repository NAME [options]

Makes what a release of version ${manifest.version} ships, from the commit that is checked out:
  frp-k8s-npm-VERSION.tgz                  the package for npm
  frp-k8s-VERSION-linux-ARCH.tar.gz        the program as one file, for machines without Node.js
  frp-k8s-image-VERSION.oci.tar            image of webhooks, controller and agent
  frp-k8s-gateway-image-VERSION.oci.tar    image of a whole gateway
  frp-k8s-chart-VERSION.tgz                the Helm chart
  frp-k8s-manifests-VERSION.tar.gz         the kustomize bases
  frp-k8s-VERSION.cdx.json                 bill of materials, CycloneDX
  frp-k8s-VERSION.intoto.json              where it comes from, SLSA provenance
  SHA256SUMS, SHA256SUMS.sig, frp-k8s.pub  checksums, signed where there is a key
The same commit, arguments and base images give the same bytes, but for the signature.

  --out DIR            where to; must be empty or not exist
  --repository NAME    registry and path of the images, such as ghcr.io/acme
  --digest IMAGE=SHA   pins an image of others, such as docker.io/fatedier/frps:v0.71.0=sha256:…; repeat it. All of them
                       must be pinned: ${Object.values(shippedImages()).join(', ')}
  --unpinned           let images of others be named by their tags
  --image NAME         frp-k8s or frp-k8s-gateway; repeat it. Default: both
  --no-images          make no images; the digests of both are given by --digest then, or they are named by tags
  --no-executables     make no single files
  --arch ARCH          amd64 or arm64; repeat it. Default: amd64. Images of another processor than this machine's need
                       its emulation (binfmt_misc)
  --build-arg X=Y      of the Dockerfile: BASE, HAPROXY, FRPS, NODE; repeat it
  --key FILE           private key to sign with: PEM, ECDSA on P-256
  --dirty              allow changes that are not committed
  --images-of-others   print which images must be pinned, one a line, and make nothing
`;

const words = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean', default: false } as const;

/** @returns a text where that is all that is wanted. @throws Error that names the option */
function optionsIn(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: 'string' },
      repository: { type: 'string' },
      digest: words,
      image: words,
      arch: words,
      'build-arg': words,
      key: { type: 'string' },
      unpinned: flag,
      'no-images': flag,
      'no-executables': flag,
      dirty: flag,
      'images-of-others': flag,
      help: flag,
    },
  });
  const { out, repository, arch = ['amd64'], image = imageNames } = values;
  if (values.help) return usage;
  if (values['images-of-others']) return `${Object.values(shippedImages()).join('\n')}\n`;
  if (out === undefined) throw new Error('--out DIR is missing');
  if (repository === undefined || !/^[a-z0-9.-]+(:[0-9]+)?(\/[a-z0-9._-]+)*$/.test(repository))
    throw new Error('--repository must be a registry with a path, such as ghcr.io/acme');
  const unknown = [
    ...arch.filter((each) => each !== 'amd64' && each !== 'arm64').map((each) => `--arch ${each}: amd64 or arm64`),
    ...image.filter((each) => !imageNames.includes(each as ImageName)).map((each) => `--image ${each}: ${imageNames.join(' or ')}`),
  ];
  if (unknown.length > 0) throw new Error(unknown.join('; '));
  return { ...values, out: resolve(out), repository, arch: arch as Architecture[], image: image as ImageName[] };
}

type Options = Exclude<ReturnType<typeof optionsIn>, string>;

/** @throws Error where the commit is not what the files are, or a pin is missing */
function releaseOf({ out, repository, arch, digest = [], dirty, unpinned }: Options, scratch: string): Release {
  const changes = run('git', ['status', '--porcelain']).trim();
  if (changes !== '' && !dirty) throw new Error(`these changes are not committed (--dirty allows them):\n${changes}`);
  const pins = pinsOf(digest);
  const missing = Object.values(shippedImages()).filter((reference) => !pins.has(reference));
  if (missing.length > 0 && !unpinned) throw new Error(`no --digest for ${missing.join(', ')}; --unpinned leaves their tags`);
  if (existsSync(out) && (!statSync(out).isDirectory() || readdirSync(out).length > 0)) throw new Error(`--out ${out} is not empty`);
  mkdirSync(out, { recursive: true });
  const [commit = '', time = ''] = run('git', ['log', '-1', '--format=%H %ct']).trim().split(' ');
  return { version: manifest.version, commit, time: Number(time), out, scratch, repository, architectures: arch, pins };
}

async function make(options: Options, scratch: string): Promise<void> {
  const pem = options.key === undefined ? undefined : readFileSync(options.key, 'utf8');
  let release = releaseOf(options, scratch);
  const { repository, arch, image, 'build-arg': buildArguments = [] } = options;
  say(`frp-k8s ${release.version}, commit ${release.commit}`);
  step('the package for npm', () => npmPackage(release));
  if (!options['no-executables']) await step('the program as one file', () => executables(release));
  if (!options['no-images']) {
    const built = step('images', () => images(release, { names: image, buildArguments }));
    release = { ...release, pins: new Map([...release.pins, ...built]) };
  }
  step('the chart', () => chartPackage(release));
  step('the manifests', () => manifestsArchive(release));
  step('the bill of materials', () => billOfMaterials(release));
  step('checksums', () => {
    provenance(release, { repository, architectures: arch, buildArguments, digests: Object.fromEntries(release.pins) });
    checksums(release);
    if (pem !== undefined) signature(release, pem);
  });
  const unsigned = pem === undefined ? ['not signed: no --key'] : [];
  const own = imageNames.map((name) => ownReference(release, name));
  const loose = [...own, ...Object.values(shippedImages())].filter((reference) => !release.pins.has(reference));
  for (const note of [...unsigned, ...loose.map((reference) => `not pinned: ${reference}`)]) say(note);
  say(`all of it is in ${release.out}`);
}

const say = (text: string): void => void process.stderr.write(`release: ${text}\n`);

function step<T>(name: string, make: () => T): T {
  say(name);
  return make();
}

const scratch = mkdtempSync(join(tmpdir(), 'frp-k8s-release-'));
try {
  const options = optionsIn(process.argv.slice(2));
  if (typeof options === 'string') process.stdout.write(options);
  else await make(options, scratch);
} catch (error) {
  say((error as Error).message);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
