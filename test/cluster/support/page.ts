/** The controller's web page as somebody reaches it: by a port forward with a token, and by `frp-k8s dashboard`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { portForward } from '../../../src/explain/port-forward.ts';
import { loadAccess } from '../../../src/kube/access.ts';
import { items } from './kubectl.ts';
import { root, system } from './places.ts';

const port = 8090;

/** @param token undefined: none @returns status of the answer */
export async function pageStatus(token: string | undefined): Promise<number> {
  const [{ metadata }] = await items(system, 'pod', '-l', 'app=frp-controller');
  const stream: Duplex = await portForward(loadAccess().kubeConfig, system, String(metadata.name), port);
  try {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const asked = request({ host: 'localhost', path: '/', headers, createConnection: () => stream });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode!;
  } finally {
    stream.destroy();
  }
}

export interface OpenDashboard {
  /** @returns the text of a page @throws where it is not answered with 200 */
  read: (path: string) => Promise<string>;
  /** changes of a view, as they come; ends with the dashboard */
  changes: (view: string) => Promise<AsyncIterable<string>>;
  close: () => void;
}

/** @param account NAMESPACE/NAME of the ServiceAccount that looks */
export async function dashboard(account: string): Promise<OpenDashboard> {
  const program = spawn('node', [`${root}/src/main.ts`, 'dashboard', '--no-open', '--service-account', account], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ending = once(program, 'exit').then(([code]) => assert.fail(`frp-k8s dashboard ended with ${code}`));
  const [line] = (await Promise.race([once(program.stdout, 'data'), ending])) as [Buffer];
  ending.catch(() => {});
  const address = /http:\S+/.exec(line.toString())![0];
  const cookie = (await fetch(address)).headers.get('set-cookie')!.split(';')[0]!;
  const ended = new AbortController();
  const ask = (path: string) => fetch(new URL(path, address), { headers: { cookie }, signal: ended.signal });
  return {
    read: async (path) => {
      const answer = await ask(path);
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return answer.text();
    },
    changes: async (view) => {
      const { body } = await ask(`/events?view=${encodeURIComponent(view)}&since=`);
      return body!.pipeThrough(new TextDecoderStream());
    },
    close: () => {
      ended.abort();
      program.kill();
    },
  };
}

/** Until the changes have told of it. */
export async function isTold(changes: AsyncIterable<string>, wanted: string): Promise<void> {
  let told = '';
  for await (const part of changes) {
    told += part;
    if (told.includes(wanted)) return;
  }
  throw new Error(`the updates have ended without ${wanted}`);
}
