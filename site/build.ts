/**
 * `npm run docs`: docs/ as a static site in site/dist. With `-- --all` each released minor version lies beside it, below
 * /vX.Y/: its last patch, by its own tag and its own site/. Only a missing node_modules needs the network.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const site = import.meta.dirname;
const run = (program: string, args: string[], cwd: string, env: Record<string, string> = {}) =>
  execFileSync(program, args, { cwd, env: { ...process.env, ...env }, stdio: 'inherit' });
const git = (...args: string[]) => execFileSync('git', args, { cwd: site, encoding: 'utf8' });
const lockOf = (folder: string) => readFileSync(path.join(folder, 'package-lock.json'), 'utf8');

/** The last tag of each minor version, newest first. */
function releases(): { version: string; tag: string }[] {
  const tags = git('tag', '--list', 'v*', '--sort=-version:refname').split('\n');
  const found = new Map<string, string>();
  for (const tag of tags) {
    const version = /^(v\d+\.\d+)\.\d+$/.exec(tag)?.[1];
    if (version !== undefined && !found.has(version)) found.set(version, tag);
  }
  return [...found].map(([version, tag]) => ({ version, tag }));
}

function build(folder: string, env: Record<string, string>): void {
  if (!existsSync(path.join(folder, 'node_modules'))) run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], folder);
  run('node', [path.join(folder, 'node_modules/vitepress/bin/vitepress.js'), 'build', '.'], folder, env);
}

function buildRelease(tag: string, env: Record<string, string>): void {
  const checkout = path.join(mkdtempSync(path.join(tmpdir(), 'frp-k8s-docs-')), tag);
  git('worktree', 'add', '--detach', checkout, tag);
  try {
    const folder = path.join(checkout, 'site');
    if (!existsSync(folder)) return console.log(`${tag} has no site: left out`);
    if (lockOf(folder) === lockOf(site)) symlinkSync(path.join(site, 'node_modules'), path.join(folder, 'node_modules'));
    build(folder, env);
  } finally {
    git('worktree', 'remove', '--force', checkout);
    rmSync(path.dirname(checkout), { recursive: true });
  }
}

const all = process.argv.includes('--all') ? releases() : [];
const versions = all.map(({ version }) => version).join(' ');
const out = path.join(site, 'dist');
build(site, { DOCS_VERSIONS: versions, DOCS_OUT: out });
for (const { version, tag } of all)
  buildRelease(tag, { DOCS_BASE: `/${version}/`, DOCS_VERSIONS: versions, DOCS_OUT: path.join(out, version) });
