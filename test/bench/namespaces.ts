/** Networks and processes of their own for what is measured: its ports are free, and nothing is left behind. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** Options of unshare(1). Its first process ends, and with it all others. */
export function namespaces(): string[] {
  const own = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  return [...own, '--net', '--pid', '--fork', '--mount-proc', '--kill-child'];
}

/** @returns where a program is, or its name where it is nowhere */
export function onPath(program: string): string {
  const folders = `${process.env.PATH}:/usr/sbin`.split(':').map((folder) => path.join(folder, program));
  return folders.find(existsSync) ?? program;
}

/** @param component of test/cluster/lab @returns the folder of its programs, which may not have been built */
export function labFolder(component: string): string {
  const lab = path.join(import.meta.dirname, '..', 'cluster', 'lab');
  return execFileSync(lab, ['path', component], { encoding: 'utf8' }).trim();
}
