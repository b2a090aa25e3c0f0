/** What each part of a release is told. */
import type { Pins } from './pins.ts';

export type Architecture = 'amd64' | 'arm64';

export interface Release {
  /** semantic version, as package.json has it */
  version: string;
  /** of the commit that it is made of, 40 hexadecimal digits */
  commit: string;
  /** seconds since 1970: of the commit. The time of everything in it */
  time: number;
  /** absolute: what the release ships */
  out: string;
  /** absolute, empty, gone at the end */
  scratch: string;
  /** registry and path of the images, such as ghcr.io/acme */
  repository: string;
  architectures: readonly Architecture[];
  pins: Pins;
}

/** Name of the program's own image, with its tag. */
export const ownReference = ({ repository, version }: Pick<Release, 'repository' | 'version'>, name: string): string =>
  `${repository}/${name}:${version}`;
