import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionsFrom } from '../../../src/gateway/haproxy/runtime/tunnel-sessions.ts';

/** As HAProxy 2.6.12 shows two tunnels and the command line that asks, without what stands between these lines. */
const shown = `0x564e28302a20: [27/Nov/2026:03:21:55.294859] id=0 proto=tcpv4 source=127.0.0.1:42630
  flags=0x4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x564e2823e700, pend_pos=(nil) waiting=0 epoch=0
  frontend=tunnel (id=2 mode=tcp), listener=? (id=1) addr=127.0.0.1:7000
  backend=frps (id=3 mode=tcp) addr=127.0.0.1:58136
  server=frps (id=1) addr=127.0.0.1:7001
0x564e28302a40: [27/Nov/2026:03:21:56.294859] id=0 proto=tcpv4 source=127.0.0.1:58136
  frontend=tunnel (id=2 mode=tcp), listener=? (id=1) addr=127.0.0.1:7000
  backend=frps (id=3 mode=tcp) addr=127.0.0.1:5813
  server=frps (id=1) addr=127.0.0.1:7001
0x564e2841ded0: [27/Nov/2026:03:21:55.298926] id=1 proto=sockpair source=unix:2
  frontend=GLOBAL (id=0 mode=tcp), listener=? (id=2)
  backend=<NONE> (id=-1 mode=-)
  server=<NONE> (id=-1)`;

test('a tunnel is found by the address from which HAProxy has connected to frps, and by no other that is the same', () => {
  assert.deepEqual(sessionsFrom(shown, new Set(['127.0.0.1:58136'])), ['0x564e28302a20']);
  assert.deepEqual(sessionsFrom(shown, new Set(['127.0.0.1:7001', '127.0.0.1:7000', '127.0.0.1:42630'])), []);
  assert.deepEqual(sessionsFrom(shown, new Set()), []);
});
