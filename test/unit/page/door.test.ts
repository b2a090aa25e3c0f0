/** The port of this machine that leads to a page: for one browser, and for nobody else. */
import assert from 'node:assert/strict';
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { ownVoice } from '../../../src/cli/gateway-page.ts';
import { openDoor, type Door } from '../../../src/page/door.ts';
import { createPage, type PageServer } from '../../../src/page/server.ts';
import { overview, viewed } from './setup.ts';

interface Got {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

function fetched(url: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { ...options, agent: false }, (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
      incoming.on('end', () => resolve({ status: incoming.statusCode!, headers: incoming.headers, text }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('the door to a page', () => {
  let page: PageServer;
  let door: Door;
  let base = '';
  let cookie = '';
  const seen: (string | undefined)[] = [];
  before(async () => {
    page = createPage({
      source: { overview: async () => overview, service: async () => viewed },
      log: { warn: () => {} },
      authorize: async (authorization) => {
        seen.push(authorization);
        return { isAllowed: true };
      },
      everyMs: 20,
    });
    const port = await page.listen('127.0.0.1', 0);
    door = await openDoor({
      port: 0,
      // A port forward is no socket either.
      connect: async () => {
        const socket = connect(port, '127.0.0.1');
        return Duplex.from({ readable: socket, writable: socket });
      },
      headers: async () => ({ authorization: 'Bearer mine' }),
    });
    base = new URL(door.url).origin;
  });
  after(async () => {
    door.close();
    await page.close();
  });

  it('is shut for whoever does not have the key', async () => {
    for (const path of ['/', '/services/shop/web', '/enter?key=wrong', '/enter'])
      assert.equal((await fetched(`${base}${path}`)).status, 403, path);
    assert.equal(seen.length, 0, 'nothing of it comes to the page');
  });

  it('opens once by its address, and stays open for that browser', async () => {
    const entered = await fetched(door.url);
    assert.equal(entered.status, 200);
    const [set = ''] = entered.headers['set-cookie'] ?? [];
    assert.match(set, /^frp-k8s-[0-9]+=[\w-]{32}; HttpOnly; SameSite=Strict; Path=\/$/);
    assert.doesNotMatch(entered.text, new RegExp(new URL(door.url).searchParams.get('key')!));
    cookie = set.split(';', 1)[0]!;
    assert.equal((await fetched(door.url)).status, 403);
    assert.match((await fetched(`${base}/`, { headers: { cookie } })).text, /shop\/web/);
  });

  it('gives the page the token of whoever opened it, whatever the browser says', async () => {
    seen.length = 0;
    const { headers } = await fetched(`${base}/`, { headers: { cookie, authorization: 'Bearer other' } });
    assert.deepEqual(seen, ['Bearer mine']);
    assert.match(headers['content-security-policy'] as string, /default-src 'none'/);
  });

  it('is shut under another name, and for what changes anything', async () => {
    assert.equal((await fetched(`${base}/`, { headers: { cookie, host: 'evil.example.com' } })).status, 403);
    assert.equal((await fetched(`${base}/`, { headers: { cookie }, method: 'POST' })).status, 405);
  });

  it('stays open for whoever is let in, whatever others ask for', async () => {
    for (const path of ['//', '//[', '/enter?key', '/%'])
      assert.ok((await fetched(base, { path, headers: { cookie } } as object)).status >= 400, path);
    assert.equal((await fetched(`${base}/`, { headers: { cookie } })).status, 200);
  });

  it('lets updates through as they come', async () => {
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${base}/events?view=%2F`, { headers: { cookie }, agent: false }, resolve).on('error', reject).end();
    });
    assert.equal(incoming.headers['content-type'], 'text/event-stream; charset=utf-8');
    for await (const chunk of incoming) {
      assert.match(String(chunk), /event: changes/);
      break;
    }
  });

  it('says where the page cannot be reached', async () => {
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const own = await openDoor({ port: 0, connect: async () => connect(port, '127.0.0.1'), headers: async () => ({}) });
    const [set = ''] = (await fetched(own.url)).headers['set-cookie'] ?? [];
    const got = await fetched(`${new URL(own.url).origin}/`, { headers: { cookie: set.split(';', 1)[0]! } });
    assert.equal(got.status, 502);
    assert.match(got.text, /cannot be reached/);
    own.close();
  });
});

describe('the agent that asks itself', () => {
  it('tells an answer from none, and an error from both', async () => {
    const voice = ownVoice(async (url) => {
      if (url === '/good') return { status: 200, value: 7 };
      if (url === '/none') return { status: 404, message: 'no such service' };
      if (url === '/bad') throw new Error('HAProxy is away');
      return undefined;
    });
    assert.deepEqual(await voice.ask('/good'), { ok: 7 });
    assert.deepEqual(await voice.ask('/none'), { absent: 'no such service' });
    assert.deepEqual(await voice.ask('/bad'), { failed: 'HAProxy is away' });
    assert.deepEqual(await voice.ask('/else'), { failed: 'nothing answers /else' });
  });
});
