/**
 * The part of the agent that configures the users' HAProxy, as a process of its own that tests may kill:
 *
 *     node users-agent.ts FILE      FILE: JSON of { settings, haproxy, view }; read again when it changes
 *
 * Says `done` on a line when HAProxy has all that it can have, and `reload` when it asks for one.
 */
import { readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { ApplyLoop } from '../../src/gateway/apply-loop.ts';
import { checkWith, renderUsers, UsersProxy, type UsersSettings } from '../../src/gateway/haproxy/index.ts';
import type { View } from '../../src/gateway/ir/ir.ts';
import { logTo } from '../../src/log.ts';

export interface Orders {
  settings: UsersSettings;
  haproxy: string;
  view: View;
}

const [, , file = ''] = process.argv;
const read = () => JSON.parse(readFileSync(file, 'utf8')) as Orders;
let orders = read();
const { settings, haproxy } = orders;
const log = logTo({ write: (line) => process.stdout.write(line) });
const proxy = new UsersProxy({
  directory: settings.directory,
  check: checkWith([haproxy]),
  changed: () => loop.schedule(),
  log,
  pollMs: 100,
});
const loop = new ApplyLoop({
  what: 'HAProxy',
  apply: async () => {
    const applied = await proxy.apply({ view: orders.view, render: (part) => renderUsers(part, settings) });
    if (applied.waitMs === undefined) process.stdout.write('done\n');
    return applied;
  },
  log,
  gatherMs: 1,
});
watch(dirname(file), () => {
  try {
    orders = read();
  } catch {
    return; // it is being written
  }
  loop.schedule();
});
loop.start();
