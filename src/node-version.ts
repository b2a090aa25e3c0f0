/**
 * Imported before anything else: a Node.js that is too old ends the program with one line, in place of a trace of
 * whatever it fails at first. The bundle, which the image and the package run, is read by old ones too.
 */
import manifest from '../package.json' with { type: 'json' };

const needed = manifest.engines.node.replace('>=', '');
const numbersOf = (version: string): number[] => version.split('.').map(Number);
const [[major = 0, minor = 0], [neededMajor = 0, neededMinor = 0]] = [numbersOf(process.versions.node), numbersOf(needed)];
if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  process.stderr.write(
    `frp-k8s: Node.js ${needed} or newer is needed, and ${process.execPath} is ${process.versions.node}; ` +
      'install a newer one, or put it first on the PATH (an image: build it with another BASE)\n',
  );
  process.exit(1);
}
