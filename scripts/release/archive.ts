/** Archives whose bytes follow from what is in them alone. */
import { readFileSync, writeFileSync } from 'node:fs';
import { constants, gzipSync } from 'node:zlib';
import { run } from './run.ts';

/** Writes a tar file of one entry of a directory. @param seconds since 1970, the time of everything in it */
export function tarFile(file: string, directory: string, entry: string, seconds: number): void {
  const plain = ['--sort=name', `--mtime=@${seconds}`, '--owner=0', '--group=0', '--numeric-owner', '--format=ustar'];
  run('tar', [...plain, '--mode=u+rw,go=rX', '-C', directory, '-cf', file, entry]);
}

/** The same, compressed by gzip. */
export function tarGzip(file: string, directory: string, entry: string, seconds: number): void {
  tarFile(file, directory, entry, seconds);
  writeFileSync(file, gzipSync(readFileSync(file), { level: constants.Z_BEST_COMPRESSION }));
}
