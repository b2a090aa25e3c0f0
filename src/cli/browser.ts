/** The browser of whoever runs a command. */
import { spawn } from 'node:child_process';

/** Programs that open an address, by platform. */
const programs: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', linux: 'xdg-open' };

/** Where there is none, nothing happens: the address has been printed. */
export function openBrowser(url: string): void {
  const program = programs[process.platform];
  if (program === undefined) return;
  const child = spawn(program, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
