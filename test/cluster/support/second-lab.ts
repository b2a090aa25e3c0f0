/** Another cluster on this machine beside the one that the suites are for: a lab of its own, in a network of its own. */
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json } from './kubectl.ts';
import { images } from './objects.ts';
import { root } from './places.ts';
import { must, run, type Outcome } from './run.ts';

const first = process.env.FRP_LAB_NAME ?? 'frp-lab';
const name = `${first}-b`;
const lab = join(root, 'test/cluster/lab');

export class SecondLab {
  /** of its node and its Pods */
  readonly network = `/run/netns/${name}`;

  static async up(): Promise<SecondLab> {
    const second = new SecondLab();
    await second.#lab('up');
    // The image that the first one has, whichever it is.
    const file = join(tmpdir(), `${name}.tar`);
    try {
      await must('ctr', ['-a', `/run/${first}/containerd/containerd.sock`, '-n', 'k8s.io', 'images', 'export', file, full(images.program)]);
      await second.#lab('image-load', file);
    } finally {
      rmSync(file, { force: true });
    }
    return second;
  }

  /** Shell commands, with its KUBECONFIG. */
  run = (script: string, cwd = root): Promise<Outcome> =>
    run('env', [`FRP_LAB_NAME=${name}`, lab, 'run', '--', 'bash', '-c', script], { cwd });

  kubectl = (...args: string[]): Promise<string> => this.#lab('kubectl', ...args);

  async get(namespace: string, kind: string, ...nameOrSelector: string[]): Promise<Json> {
    return JSON.parse(await this.kubectl('-n', namespace, 'get', kind, ...nameOrSelector, '-o', 'json'));
  }

  end = (): Promise<string> => this.#lab('down');

  #lab(...words: string[]): Promise<string> {
    return must('env', [`FRP_LAB_NAME=${name}`, lab, ...words]);
  }
}

/** As containerd knows an image that was named shortly. */
const full = (image: string): string => (image.includes('/') ? image : `docker.io/library/${image}`);
