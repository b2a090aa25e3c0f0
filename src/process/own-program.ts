/** How this program is started once more. */
import { isSea } from 'node:sea';

/** Its words before the arguments: Node.js and the script, or the single file that is both. */
export const ownProgram = (): [string, ...string[]] =>
  isSea() ? [process.execPath] : [process.execPath, ...process.execArgv, process.argv[1]!];
