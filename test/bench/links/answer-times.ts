/** Asks the agent every few milliseconds, on a thread of its own: the longest answer is how long the agent's one thread was taken. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';

const everyMs = 5;
const port = 8081;
let longest = 0;
parentPort!.on('message', () => {
  parentPort!.postMessage(longest);
  longest = 0;
});
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
for (;;) {
  const began = performance.now();
  // Where it is not there it is not taken either.
  if (await ask()) longest = Math.max(longest, performance.now() - began);
  await sleep(everyMs);
}

function ask(): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request({ host: '127.0.0.1', port, path: '/healthz', agent }, (incoming) => {
      incoming.resume();
      incoming.on('end', () => resolve(true));
      incoming.on('error', () => resolve(false));
    });
    outgoing.on('error', () => resolve(false));
    outgoing.end();
  });
}
