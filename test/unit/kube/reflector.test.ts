import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { backoffMs } from '../../../src/kube/backoff.ts';
import { Reflector, type ReflectorOptions } from '../../../src/kube/reflector.ts';
import { secrets, type Secret } from '../../../src/kube/types.ts';
import { until } from '../../support/until.ts';
import { ApiServer, failure } from './api-server.ts';

let api: ApiServer;
let reflectors: Reflector<Secret>[] = [];
const logged: string[] = [];
const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push((JSON.parse(line) as { msg: string }).msg) });

// One for each test: the watch of a reflector that was closed while it connected may still arrive.
beforeEach(async () => {
  api = await ApiServer.start();
  logged.length = 0;
});
afterEach(async () => {
  await Promise.all(reflectors.map((reflector) => reflector.close()));
  reflectors = [];
  api.close();
});

const secret = (name: string) => ({ metadata: { name, namespace: 'prod', managedFields: [{}] } });
const path = (name: string) => `/api/v1/namespaces/prod/secrets/${name}`;
const put = (name: string) => api.put(path(name), secret(name));
const lists = () => api.requests.filter(({ query }) => query.watch === undefined).length;
const watches = () => api.requests.filter(({ query }) => query.watch !== undefined);

function follow(options: Partial<ReflectorOptions<Secret>> = {}) {
  const seen = new Map<string, Secret>();
  const reflector = new Reflector({
    client: api.client,
    resource: secrets,
    log,
    sink: {
      replace: (all) => {
        seen.clear();
        for (const object of all) seen.set(object.metadata.name, object);
      },
      set: (object) => void seen.set(object.metadata.name, object),
      delete: (object) => void seen.delete(object.metadata.name),
    },
    ...options,
  });
  reflectors.push(reflector);
  return { reflector, seen };
}

describe('a reflector', { timeout: 30_000 }, () => {
  it('lists, then follows what is added, changed and deleted', async () => {
    put('a');
    const { reflector, seen } = follow();
    assert.equal(reflector.hasSynced, false);
    await reflector.synced;
    assert.deepEqual([...seen.keys()], ['a']);
    await until(() => api.watching === 1);
    put('b');
    api.put(path('a'), { ...secret('a'), type: 'new' } as Secret);
    await until(() => seen.has('b') && seen.get('a')?.type === 'new');
    api.remove(path('a'));
    await until(() => !seen.has('a'));
    assert.equal(lists(), 1);
    assert.equal('managedFields' in seen.get('b')!.metadata, false);
  });

  it('asks for bookmarks, and goes on from the last one', async () => {
    put('a');
    const { reflector } = follow();
    await reflector.synced;
    await until(() => api.watching === 1);
    assert.equal(watches()[0]?.query.allowWatchBookmarks, 'true');
    api.sendToWatches('BOOKMARK', { metadata: { resourceVersion: '777' } });
    api.endWatches('end');
    await until(() => watches().length === 2);
    assert.equal(watches()[1]?.query.resourceVersion, '777');
    assert.equal(lists(), 1);
    assert.equal(reflector.lastError, undefined);
  });

  it('watches again from where it stood when the connection breaks, and misses nothing', async () => {
    put('a');
    const { reflector, seen } = follow();
    await reflector.synced;
    await until(() => api.watching === 1);
    put('b');
    await until(() => seen.has('b'));
    api.endWatches('break');
    await until(() => api.watching === 0);
    put('c');
    await until(() => seen.has('c'));
    assert.equal(lists(), 1);
    assert.equal(reflector.lastError, undefined);
  });

  it('refreshed while its watch goes on, keeps nothing older than what the watch has told', async () => {
    put('a');
    const { reflector, seen } = follow();
    await reflector.synced;
    await until(() => api.watching === 1);
    const version = api.objects.get(path('a'))?.metadata.resourceVersion;
    put('b');
    await until(() => seen.has('b'));
    // The answer to a list that was read before b came.
    const stale = { metadata: { resourceVersion: version }, items: [secret('a')] };
    api.intercept = ({ query }) => (query.watch ? undefined : { status: 200, body: stale });
    await reflector.refresh();
    await until(() => seen.has('b'));
    assert.equal(watches().at(-1)?.query.resourceVersion, version);
    assert.equal(reflector.lastError, undefined);
  });

  it('refreshed while it waits to try again, goes on at once from what it has listed', async () => {
    put('a');
    let down = true;
    api.intercept = ({ query }) => (down && query.watch ? failure(500, 'InternalError', 'down') : undefined);
    const { reflector, seen } = follow();
    await until(() => reflector.lastError !== undefined);
    down = false;
    await reflector.refresh();
    assert.equal(reflector.lastError, undefined);
    await until(() => api.watching === 1);
    put('b');
    await until(() => seen.has('b'));
    assert.equal(lists(), 2);
  });

  it('lists anew when its version has expired, and drops what went meanwhile', async () => {
    put('a');
    const { reflector, seen } = follow();
    await reflector.synced;
    await until(() => api.watching === 1);
    // As the API server tells it within a watch.
    api.sendToWatches('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' });
    await until(() => api.watching === 0);
    api.objects.delete(path('a'));
    put('b');
    await until(() => seen.has('b') && !seen.has('a'));
    assert.equal(lists(), 2);
  });

  it('lists anew when the watch itself is refused as expired', async () => {
    let refused = 0;
    api.intercept = ({ query }) => (query.watch && refused++ === 0 ? failure(410, 'Expired', 'too old') : undefined);
    const { reflector } = follow();
    await reflector.synced;
    await until(() => api.watching === 1);
    assert.equal(lists(), 2);
  });

  it('keeps trying while the API server refuses it, and says why', async () => {
    let down = true;
    api.intercept = () => (down ? failure(403, 'Forbidden', 'secrets is forbidden') : undefined);
    const { reflector, seen } = follow();
    await until(() => reflector.lastError !== undefined);
    assert.match(reflector.lastError?.message ?? '', /secrets cannot be followed: list secrets: secrets is forbidden \(403 Forbidden\)/);
    assert.equal(reflector.hasSynced, false);
    down = false;
    put('a');
    await until(() => seen.has('a'));
    await until(() => reflector.lastError === undefined);
  });

  it('waits longer each time that a server ends its watch at once', async () => {
    api.intercept = ({ query }) => (query.watch ? { status: 200, body: '' } : undefined);
    const { reflector } = follow();
    await until(() => reflector.lastError !== undefined);
    assert.match(reflector.lastError?.message ?? '', /ended as soon as it began/);
    assert.equal(watches().length, 1);
  });

  it('survives lines that are no JSON', async () => {
    const { reflector, seen } = follow();
    await reflector.synced;
    await until(() => api.watching === 1);
    api.sendToWatches('"', undefined);
    put('a');
    await until(() => seen.has('a'));
  });

  it('lists anew every so often, whatever the watch has said', async () => {
    const { reflector, seen } = follow({ relistMs: 500 });
    await reflector.synced;
    await until(() => api.watching === 1);
    // An event that was lost: nobody was told of it.
    api.objects.set(path('lost'), { metadata: { name: 'lost', namespace: 'prod', resourceVersion: '0' } });
    assert.equal(watches()[0]?.query.timeoutSeconds, '1');
    await wait(1000);
    api.endWatches('end');
    await until(() => seen.has('lost'));
    assert.ok(lists() >= 2);
  });

  it('logs what its sink throws, and goes on', async () => {
    const seen: string[] = [];
    const { reflector } = follow({
      sink: {
        replace: () => {
          throw new Error('no list');
        },
        set: ({ metadata }) => {
          if (metadata.name === 'bad') throw new Error('no object');
          seen.push(metadata.name);
        },
        delete: () => {},
      },
    });
    await reflector.synced;
    await until(() => api.watching === 1);
    put('bad');
    put('good');
    await until(() => seen.includes('good'));
    assert.deepEqual(logged, ['an event was not handled', 'an event was not handled']);
    assert.equal(lists(), 1);
  });

  it('ends when it is closed, watching or waiting', async () => {
    const watching = follow();
    await watching.reflector.synced;
    await until(() => api.watching === 1);
    await watching.reflector.close();
    await until(() => api.watching === 0);
    api.intercept = () => failure(500, 'InternalError', 'down');
    const waiting = follow();
    await until(() => waiting.reflector.lastError !== undefined);
    await waiting.reflector.close();
    const asked = api.requests.length;
    await wait(50);
    assert.equal(api.requests.length, asked);
  });

  it('passes its selectors on to list and watch', async () => {
    const { reflector } = follow({ namespace: 'prod', labelSelector: 'a=b', fieldSelector: 'metadata.name=x' });
    await reflector.synced;
    await until(() => api.watching === 1);
    for (const { path: of, query } of api.requests) {
      assert.equal(of, '/api/v1/namespaces/prod/secrets');
      assert.equal(query.labelSelector, 'a=b');
      assert.equal(query.fieldSelector, 'metadata.name=x');
    }
  });
});

describe('the pause between attempts', () => {
  it('doubles up to its limit, and is half chance', () => {
    const limits = { minMs: 100, maxMs: 1000 };
    assert.deepEqual(
      [0, 1, 2, 3, 4, 100].map((failures) => backoffMs(failures, limits, 1)),
      [100, 200, 400, 800, 1000, 1000],
    );
    assert.equal(backoffMs(2, limits, 0), 200);
  });
});
