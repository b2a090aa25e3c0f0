/**
 * The unit tests in few processes: one for each file costs as much again, for starting it and loading what most of them
 * import. A file becomes a suite, so that its hooks outside of every `describe` are its own, and its name is told.
 */
import { globSync } from 'node:fs';
import path from 'node:path';
import { describe } from 'node:test';

const folder = path.join(import.meta.dirname, '..');
const files = globSync('**/*.test.ts', { cwd: folder }).sort();

/** What blocks its process while another program works: in one of its own, where that holds up nothing. */
const apart = ['patterns/regular-expressions.test.ts'];

/** Those that take longest, by work or by waiting, longest first: dealt out before the others, so that each third has as much of them. */
const long = [
  'link/links.test.ts',
  'pods/properties.test.ts',
  'server/process.test.ts',
  'controller/controller.test.ts',
  'cli/manifests.test.ts',
  'server/long-texts.test.ts',
  'controller/linked.test.ts',
  'controller/two-gateways.test.ts',
  'server/strangers.test.ts',
  'server/reviews-memory.test.ts',
  'controller/gateway-copies.test.ts',
  'controller/secrets-by-namespace.test.ts',
  'controller/connectors.test.ts',
  'gateway/agent-members.test.ts',
  'controller/linked-secrets.test.ts',
  'controller/users-certificate.test.ts',
  'bundle/support-bundle.test.ts',
  'pods/patch-memory.test.ts',
  'certs/rotation.test.ts',
];
const unknown = [...apart, ...long].filter((file) => !files.includes(file));
if (unknown.length > 0) throw new Error(`no test file is named ${unknown.join(', ')}: mend the lists in ${import.meta.filename}`);
const dealt = [...long, ...files.filter((file) => !apart.includes(file) && !long.includes(file))];

const testsOf = (file: string) => () => import(path.join(folder, file)) as Promise<void>;

/** Declares the tests of every third file. @param which 0, 1 or 2 */
export function third(which: 0 | 1 | 2): void {
  // There and back: whoever gets the longer one of a round gets the shorter one of the next.
  for (const [index, file] of dealt.entries()) if ([0, 1, 2, 2, 1, 0][index % 6] === which) describe(file, testsOf(file));
}

/** Declares the tests that have a process of their own. */
export function others(): void {
  for (const file of apart) describe(file, testsOf(file));
}
