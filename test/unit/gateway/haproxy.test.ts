/** The pure parts of what HAProxy is told; what it does with it is in test/gateway. */
import assert from 'node:assert/strict';
import { it, test } from 'node:test';
import fc from 'fast-check';
import { changedBackends } from '../../../src/gateway/haproxy/runtime/changes.ts';
import { differing, parseMap } from '../../../src/gateway/haproxy/runtime/map-commands.ts';
import { serverCommands } from '../../../src/gateway/haproxy/runtime/server-commands.ts';
import { stateFileText } from '../../../src/gateway/haproxy/runtime/state-file.ts';
import type { Server } from '../../../src/gateway/haproxy/config/rendered.ts';
import type { RunningServer } from '../../../src/gateway/haproxy/runtime/running.ts';

const server = (more: Partial<Server> = {}): Server => ({
  name: 's-1',
  port: 1000,
  weight: 64,
  isDraining: false,
  drainState: 'drain',
  isChecked: true,
  options: 'id 7 check',
  ...more,
});
const running = (...entries: [string, RunningServer][]) =>
  new Map([
    ['be-a', new Map(entries)],
    ['frp-tls', new Map([['here', entries[0]?.[1] ?? { port: 0, weight: 1, state: 'ready' as const }]])],
  ]);
const now: RunningServer = { port: 1000, weight: 64, state: 'ready' };
const commands = (was: ReturnType<typeof running>, ...wanted: Server[]) =>
  serverCommands(was, new Map([['be-a', wanted]]), new Set(['be-a']));

test('a new checked server is declared down before it may have requests', () => {
  assert.deepEqual(commands(running(), server()).commands, [
    'add server be-a/s-1 127.0.0.1:1000 weight 64 id 7 check',
    'set server be-a/s-1 state drain',
    'set server be-a/s-1 health down',
    'enable health be-a/s-1',
    'set server be-a/s-1 state ready',
  ]);
});

test('what is as it should be is left alone, and so are servers of the configuration itself', () => {
  assert.deepEqual(commands(running(['s-1', now]), server()), { commands: [], pendingRemoval: [] });
});

test('a server that is gone is in maintenance until it can be deleted', () => {
  assert.deepEqual(commands(running(['s-1', now])), { commands: ['set server be-a/s-1 state maint'], pendingRemoval: ['be-a/s-1'] });
  assert.deepEqual(commands(running(['s-1', { ...now, state: 'maint' }])), { commands: [], pendingRemoval: ['be-a/s-1'] });
});

test('a drain comes before other changes, and the end of one after them', () => {
  const changed = server({ port: 2000, weight: 9, isDraining: true });
  assert.deepEqual(commands(running(['s-1', now]), changed).commands, [
    'set server be-a/s-1 state drain',
    'set server be-a/s-1 addr 127.0.0.1 port 2000',
    'set server be-a/s-1 weight 9',
  ]);
  assert.deepEqual(commands(running(['s-1', { ...now, weight: 1, state: 'drain' }]), server()).commands, [
    'set server be-a/s-1 weight 64',
    'set server be-a/s-1 state ready',
  ]);
});

test('the next process is told of servers that it has not met as stopped', () => {
  const known = '4 be-a 7 s-1 127.0.0.1 2 0 64 64 1 15 3 3 6 0 0 1 - 1000 - 0 0 - - 0';
  const text = stateFileText(
    `1\n# x\n${known}\n5 frp-tls 1 here 127.0.0.1 2 0 1 1\n`,
    new Map([['be-a', [server(), server({ name: 's-2', options: 'id 8 check' })]]]),
  );
  const lines = text.trim().split('\n').slice(2);
  assert.deepEqual(lines, [known, '0 be-a 8 s-2 127.0.0.1 0 0 64 64 0 1 0 0 6 0 0 1 - 1000 - 0 0 - - 0']);
});

it('of all backends only those are looked at whose list of servers is another, that are gone, or that have a server to be deleted', () => {
  const [a, b, c] = [[server()], [server()], [server()]];
  const before = new Map([
    ['be-a', a],
    ['be-b', b],
    ['be-c', c],
    ['be-gone', []],
  ]);
  const servers = new Map([...before.keys(), 'svc-a'].map((name) => [name, new Map()]));
  const known = { running: { pid: '1', skeleton: '', servers }, files: undefined, wanted: before, pendingRemoval: ['be-c/s-9'] };
  const wanted = new Map([
    ['be-a', a],
    ['be-b', [...b]],
    ['be-c', c],
  ]);
  assert.deepEqual([...changedBackends(known, wanted)].sort(), ['be-b', 'be-c', 'be-gone']);
  assert.deepEqual([...changedBackends({ ...known, wanted: undefined }, wanted)].sort(), ['be-a', 'be-b', 'be-c', 'be-gone']);
});

it('of two maps all lines that differ are compared, whichever these are', () => {
  const lines = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'ab', 'b', 'ba', 'c'), fc.constantFrom('1', '11', '2')), {
    selector: ([key]) => key,
  });
  const textOf = (entries: [string, string][]) => entries.map(([key, value]) => `${key} ${value}\n`).join('');
  fc.assert(
    fc.property(lines, lines, (one, other) => {
      const [a, b] = [textOf(one), textOf(other)];
      const [before, after] = differing(a, b).map(parseMap);
      const [wholeA, wholeB] = [parseMap(a), parseMap(b)];
      for (const [key, value] of wholeA) if (wholeB.get(key) !== value) assert.equal(before!.get(key), value);
      for (const [key, value] of wholeB) if (wholeA.get(key) !== value) assert.equal(after!.get(key), value);
      for (const [key, value] of before!) assert.equal(wholeA.get(key), value);
      for (const [key, value] of after!) assert.equal(wholeB.get(key), value);
      // What is the same in both, and left in one, would be made anew or deleted.
      for (const key of wholeA.keys()) if (wholeB.has(key)) assert.equal(before!.has(key), after!.has(key));
    }),
  );
});
