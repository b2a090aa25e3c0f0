/** The page over HTTP: who is let in, what a browser is told to allow, and how changes come. */
import assert from 'node:assert/strict';
import { createServer, get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { kubeAuthorize } from '../../../src/page/authorize.ts';
import { script } from '../../../src/page/browser.ts';
import { createHash } from 'node:crypto';
import type { Overview, PageSource } from '../../../src/page/model.ts';
import { createPage, type PageServer } from '../../../src/page/server.ts';
import { ApiServer, failure } from '../kube/api-server.ts';
import { overview, status, viewed } from './setup.ts';

const log = { warn: () => {} };

/** What is shown, and may change. */
let shown: Overview = overview;
const source: PageSource = {
  overview: async () => shown,
  service: async (key) => (key === 'shop/web' ? viewed : undefined),
};

interface Got {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

function fetched(port: number, path: string, headers: Record<string, string> = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers }, (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
      incoming.on('end', () => resolve({ status: incoming.statusCode!, headers: incoming.headers, text }));
    }).on('error', reject);
  });
}

interface Event {
  event: string;
  id: string | undefined;
  data: unknown;
}

/** Events of a stream, one after another. */
async function* eventsOf(incoming: IncomingMessage): AsyncGenerator<Event> {
  let text = '';
  for await (const chunk of incoming) {
    text += String(chunk);
    for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
      const lines = text.slice(0, at).split('\n');
      text = text.slice(at + 2);
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const event = field('event');
      if (event !== undefined) yield { event, id: field('id'), data: JSON.parse(field('data')!) };
    }
  }
}

const opened = (port: number, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => get({ host: '127.0.0.1', port, path, headers, agent: false }, resolve).on('error', reject));

async function nextOf(events: AsyncGenerator<Event>, event: string): Promise<Event> {
  for (;;) {
    const { value, done } = await events.next();
    assert.ok(!done, `the stream ended before an event ${event}`);
    if (value.event === event) return value;
  }
}

describe('the page over HTTP', () => {
  let page: PageServer;
  let port = 0;
  before(async () => {
    page = createPage({ source, log, everyMs: 20, most: 2 });
    port = await page.listen('127.0.0.1', 0);
  });
  after(() => page.close());
  beforeEach(() => (shown = overview));

  it('lets nothing run but its own script, and nothing be loaded from elsewhere', async () => {
    const { headers, text } = await fetched(port, '/');
    const policy = headers['content-security-policy'] as string;
    assert.match(policy, /^default-src 'none'; script-src 'sha256-[^' ]+'; style-src 'sha256-[^' ]+'; connect-src 'self'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    const [, inline = ''] = /<script>(.*)<\/script>/s.exec(text) ?? [];
    assert.equal(inline, script);
    assert.ok(policy.includes(createHash('sha256').update(inline).digest('base64')), 'the hash is of the script as it was sent');
    assert.doesNotMatch(text.replace(script, ''), /(?:src|href)="(?:https?:)?\/\//);
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-frame-options'], 'DENY');
  });

  it('shows the installation, a service and a reason, and says where there is nothing', async () => {
    assert.match((await fetched(port, '/')).text, /shop\/api/);
    assert.match((await fetched(port, '/services/shop/web')).text, /web-2/);
    assert.match((await fetched(port, '/reasons/BackendsUnhealthy')).text, /What to do/);
    for (const path of ['/services/shop/none', '/nothing', '/events?view=/nothing', '/services/shop/..%2F..']) {
      const { status: code, headers } = await fetched(port, path);
      assert.equal(code, 404, path);
      assert.ok(headers['content-security-policy']);
    }
  });

  it('shows those services alone that are asked for', async () => {
    const { text } = await fetched(port, '/?q=web');
    assert.match(text, /id="s\/shop\/web"/);
    assert.doesNotMatch(text, /id="s\/shop\/api"/);
    assert.doesNotMatch((await fetched(port, '/?only=problems')).text, /id="s\/shop\/web"/);
  });

  it('tells a browser what has changed, and nothing else', async () => {
    const document = await fetched(port, '/');
    const [, version = ''] = /data-version="([^"]+)"/.exec(document.text) ?? [];
    const incoming = await opened(port, `/events?view=%2F&since=${version}`);
    const events = eventsOf(incoming);
    shown = { ...overview, services: [overview.services[0]!, status('shop/web', { state: 'Failed', active: 0 })] };
    const { data, id } = await nextOf(events, 'changes');
    const changes = data as { id: string; html: string }[];
    assert.deepEqual(changes.map((change) => change.id).sort(), ['s/shop/web', 'summary']);
    assert.match(changes.find((change) => change.id === 's/shop/web')!.html, /Failed/);
    assert.ok(id);
    assert.deepEqual((await nextOf(events, 'said')).data, 'shop/web is Failed');
    incoming.destroy();
    // A browser that comes back has it.
    const again = await opened(port, `/events?view=%2F&since=${version}`, { 'last-event-id': id });
    shown = { ...shown, unknown: ['something'] };
    assert.deepEqual(
      ((await nextOf(eventsOf(again), 'changes')).data as { id: string }[]).map((change) => change.id),
      ['unknown'],
    );
    again.destroy();
  });

  it('tells the whole view to a browser that has one of long ago', async () => {
    const incoming = await opened(port, '/events?view=%2F&since=longago');
    const { data } = await nextOf(eventsOf(incoming), 'changes');
    assert.ok((data as unknown[]).length > 6);
    incoming.destroy();
  });

  it('ends the updates of a service that is gone, and says so', async () => {
    const own = createPage({ source: { ...source, service: async () => undefined }, log, everyMs: 20 });
    const at = await own.listen('127.0.0.1', 0);
    const { data } = await nextOf(eventsOf(await opened(at, '/events?view=%2Fservices%2Fshop%2Fweb')), 'end');
    assert.match(String(data), /not there any more/);
    await own.close();
  });

  it('tells a bounded number of browsers, and the others that it does not', async () => {
    const open = await Promise.all([opened(port, '/events?view=%2F'), opened(port, '/events?view=%2F')]);
    const third = await fetched(port, '/events?view=%2F');
    assert.equal(third.status, 503);
    for (const each of open) each.destroy();
    let last = third.status;
    while (last === 503) {
      const next = await opened(port, '/events?view=%2F');
      last = next.statusCode!;
      next.destroy();
    }
    assert.equal(last, 200);
  });

  it('asks once for everybody who looks at the same time', async (t) => {
    let questions = 0;
    const overviewOnce = () => {
      questions++;
      return source.overview();
    };
    const own = createPage({ source: { ...source, overview: overviewOnce }, log, everyMs: 10_000 });
    t.after(() => own.close());
    const at = await own.listen('127.0.0.1', 0);
    await Promise.all([fetched(at, '/'), fetched(at, '/'), fetched(at, '/?q=web')]);
    assert.equal(questions, 1);
  });

  it('goes on through another server that listens already', async () => {
    const own = createPage({ source, log });
    const outer = createServer(own.handle);
    await new Promise<void>((resolve) => outer.listen(0, '127.0.0.1', resolve));
    const { status: code, headers } = await fetched((outer.address() as AddressInfo).port, '/');
    assert.equal(code, 200);
    assert.ok(headers['content-security-policy']);
    outer.close();
    outer.closeAllConnections();
    await own.close();
  });

  it('says why it cannot be made, and goes on', async () => {
    const own = createPage({ source: { ...source, overview: () => Promise.reject(new Error('<b>away</b>')) }, log });
    const at = await own.listen('127.0.0.1', 0);
    const { status: code, text } = await fetched(at, '/');
    assert.equal(code, 503);
    assert.match(text, /&lt;b&gt;away/);
    assert.equal((await fetched(at, '/services/shop/web')).status, 200);
    await own.close();
  });
});

describe('who is let in to the page of a cluster', () => {
  let api: ApiServer;
  let page: PageServer;
  let port = 0;
  /** by token */
  const users: Record<string, { username: string; groups: string[] }> = {
    reader: { username: 'ann', groups: ['ops'] },
    stranger: { username: 'bob', groups: [] },
  };
  let mayList = new Set(['ann']);
  before(async () => {
    api = await ApiServer.start();
    api.intercept = ({ path, body }) => {
      const { spec } = body as { spec: { token?: string; user?: string } };
      if (path.endsWith('/tokenreviews')) {
        const user = users[spec.token ?? ''];
        return { status: 201, body: { metadata: {}, spec, status: user ? { authenticated: true, user } : { authenticated: false } } };
      }
      if (path.endsWith('/subjectaccessreviews'))
        return { status: 201, body: { metadata: {}, spec, status: { allowed: mayList.has(spec.user ?? '') } } };
      return failure(404, 'NotFound', path);
    };
    let now = 0;
    // Each look is another moment: nothing is remembered.
    page = createPage({ source, log, authorize: kubeAuthorize(api.client, () => (now += 60_000)), everyMs: 20, reviewMs: 20 });
    port = await page.listen('127.0.0.1', 0);
  });
  after(async () => {
    await page.close();
    api.close();
  });
  beforeEach(() => (mayList = new Set(['ann'])));

  const as = (token: string) => ({ authorization: `Bearer ${token}` });

  it('is nobody without a token, or with one that the API server does not know', async () => {
    for (const headers of [{}, as('wrong'), { authorization: 'Basic cmVhZGVy' }, { authorization: 'Bearer ' }] as Record<string, string>[])
      for (const path of ['/', '/services/shop/web', '/reasons/BackendsUnhealthy', '/events?view=%2F', '/nothing']) {
        const got = await fetched(port, path, headers);
        assert.equal(got.status, 401, path);
        assert.equal(got.headers['www-authenticate'], 'Bearer');
        assert.doesNotMatch(got.text, /shop/);
        assert.ok(got.headers['content-security-policy']);
      }
  });

  it('is whoever may list DistributedServices of all namespaces', async () => {
    api.requests.length = 0;
    assert.equal((await fetched(port, '/', as('reader'))).status, 200);
    const review = api.requests.find(({ path }) => path.endsWith('/subjectaccessreviews'))!;
    assert.deepEqual((review.body as { spec: unknown }).spec, {
      user: 'ann',
      groups: ['ops'],
      resourceAttributes: { group: 'frp.io', resource: 'distributedservices', verb: 'list' },
    });
  });

  it('is nobody who may not, and hears which right is missing', async () => {
    const got = await fetched(port, '/', as('stranger'));
    assert.equal(got.status, 403);
    assert.match(got.text, /bob may not list distributedservices.frp.io/);
  });

  it('is nobody any more who has lost the right while looking', async () => {
    const incoming = await opened(port, '/events?view=%2F', as('reader'));
    const events = eventsOf(incoming);
    await nextOf(events, 'changes');
    mayList.clear();
    assert.match(String((await nextOf(events, 'end')).data), /may not list/);
  });

  it('is nobody while the API server cannot be asked', async () => {
    const before_ = api.intercept;
    api.intercept = () => failure(500, 'InternalError', 'away');
    assert.equal((await fetched(port, '/', as('reader'))).status, 503);
    api.intercept = before_;
  });

  it('is asked once in ten seconds', async () => {
    const authorize = kubeAuthorize(api.client, () => 5);
    api.requests.length = 0;
    await Promise.all(Array.from({ length: 5 }, () => authorize('Bearer reader')));
    assert.equal(api.requests.length, 2);
  });

  it('costs the API server a bounded number of reviews at a time', async () => {
    const authorize = kubeAuthorize(api.client);
    const verdicts = await Promise.all(Array.from({ length: 30 }, (_, index) => authorize(`Bearer token-${index}`)));
    assert.equal(verdicts.filter((verdict) => !verdict.isAllowed && verdict.status === 401).length, 8);
    assert.equal(verdicts.filter((verdict) => !verdict.isAllowed && verdict.status === 503).length, 22);
  });
});
