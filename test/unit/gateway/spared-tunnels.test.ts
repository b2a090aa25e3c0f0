import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Member } from '../../../src/gateway/members/members.ts';
import { sparedTunnels } from '../../../src/gateway/members/spared-tunnels.ts';

const member = (namespace: string, service: string, tunnel?: string): Member => ({
  name: `${namespace}.${service}.0a1b2c3d.pod.uid`,
  service: `${namespace}/${service}`,
  backendId: 'uid',
  identity: { cluster: '', namespace, pod: 'pod', uid: 'uid' },
  origins: [],
  port: 10_000,
  ...(tunnel !== undefined && { tunnel }),
});

test('a tunnel is spared in its namespace while it has a backend of a service that is served', () => {
  const members = [
    member('shop', 'gone', '127.0.0.1:4001'),
    member('shop', 'web', '127.0.0.1:4001'),
    member('shop', 'admin', '127.0.0.1:4001'),
    member('shop', 'gone', '127.0.0.1:4002'),
    member('other', 'web', '[::1]:4003'),
    member('shop', 'web'),
  ];
  assert.deepEqual(
    sparedTunnels(members, (service) => service.startsWith('shop/') && service !== 'shop/gone'),
    new Map([['shop', new Set([4001])]]),
  );
});
