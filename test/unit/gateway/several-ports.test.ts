/** A service with several ports at the gateway: a pool for each, of the tunnels that say that they are of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { newProxyContent } from '../../../src/gateway/admission/plugin-protocol.ts';
import { proxyStatuses } from '../../../src/gateway/api/proxy-status.ts';
import { Memory } from '../../../src/gateway/haproxy/config/memory.ts';
import { backendName } from '../../../src/gateway/haproxy/config/names.ts';
import { serversOf } from '../../../src/gateway/haproxy/config/servers.ts';
import { serviceConfigOf } from '../../../src/gateway/haproxy/config/service-config.ts';
import type { ServedService } from '../../../src/gateway/ir/ir.ts';
import { viewOf } from '../../../src/gateway/ir/translate.ts';
import type { Member } from '../../../src/gateway/members/members.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw-0.example.com'] } });
const uid = '3f2a6c1e-0000-4000-8000-000000000001';
const smtp = { name: 'smtp', port: 2525, backendPort: 25 };
const imap = { name: 'imap', port: 1143, backendPort: 143 };
const mail = (ports: NonNullable<DistributedServiceSpec['expose']>['ports'] = [smtp, imap]) =>
  service('mail', { serviceType: 'tcp', expose: { type: 'port', ports }, loadBalancing: { healthCheck: { type: 'tcp' } } });
const tunnel = (port: number, portName?: string): Member => ({
  name: `shop.mail.${port}.mail-0.${uid}`,
  service: 'shop/mail',
  backendId: uid,
  port,
  identity: { cluster: '', namespace: 'shop', pod: 'mail-0', uid },
  origins: [],
  ...(portName !== undefined && { portName }),
});
const facts = {
  namespace: 'shop',
  name: 'mail-0',
  isReady: true,
  weight: undefined,
  ip: '10.0.0.1',
  ports: { mail: 25, 'mail:smtp': 25, 'mail:imap': 143 },
};
const view = (of: ReturnType<typeof service>, members: Member[], before?: Parameters<typeof viewOf>[1]) =>
  viewOf(
    {
      services: [of],
      conflictsOf: () => [],
      members,
      podOf: () => facts,
      accessOf: () => ({ kind: 'none' }),
      certificateOf: () => undefined,
      config,
    },
    before,
  );

const serviceConfig = (given: ServedService) => serviceConfigOf(given, new Memory()).service;

describe('a service with several ports at the gateway', () => {
  it('is a pool for each port, with the tunnels of that port alone, and one place of a backend in all of them', () => {
    const { services } = view(mail(), [tunnel(29_001, 'smtp'), tunnel(29_002, 'imap')]);
    assert.deepEqual(
      services.map(({ service: { metadata }, exposures, backends }) => [
        metadata.name,
        exposures,
        backends.map(({ port, address }) => [port, address]),
      ]),
      [
        ['mail:imap', [{ kind: 'tcp', port: 1143, name: 'imap' }], [[29_002, '10.0.0.1:143']]],
        ['mail:smtp', [{ kind: 'tcp', port: 2525, name: 'smtp' }], [[29_001, '10.0.0.1:25']]],
      ],
    );
    const [first, second] = services.map(({ backends }) => backends[0]!);
    assert.notEqual(first!.name, second!.name, 'health checks find the tunnel by the name of the server alone');
    assert.equal(first!.place, second!.place, 'so that ip-hash leads a client to one backend on every port');
    assert.equal(
      serversOf(serviceConfig(services[0]!), services[0]!.backends)[0]!.options.split(' ')[1],
      serversOf(serviceConfig(services[1]!), services[1]!.backends)[0]!.options.split(' ')[1],
    );
  });

  it('sends nobody to a tunnel of another port, of none, or of one that it has no more', () => {
    const backends = ({ services }: ReturnType<typeof view>) => services.map(({ backends: of }) => of.length);
    assert.deepEqual(backends(view(mail(), [tunnel(29_001), tunnel(29_002, 'pop')])), [0, 0]);
    const single = service('mail', { serviceType: 'tcp', expose: { type: 'port', port: 2525 } });
    assert.deepEqual(backends(view(single, [tunnel(29_001, 'smtp')])), [0]);
    assert.deepEqual(backends(view(single, [tunnel(29_001)])), [1]);
  });

  it('leaves the pools of the other ports as they are when one is added or changes', () => {
    const members = [tunnel(29_001, 'smtp'), tunnel(29_002, 'imap')];
    const before = view(mail(), members);
    const after = view(mail([{ ...smtp, port: 2526 }, imap, { name: 'pop', port: 1110 }]), members, before);
    assert.equal(after.services[0], before.services[0]);
    assert.deepEqual(
      after.services.map(({ service: { metadata } }) => metadata.name),
      ['mail:imap', 'mail:pop', 'mail:smtp'],
    );
  });

  it('has each name and each port once, whatever has been let in', () => {
    const { services } = view(
      mail([smtp, { name: 'smtp', port: 9 }, { name: 'twin', port: smtp.port }, imap, { ...imap, name: 'any', port: 0 }]),
      [],
    );
    assert.deepEqual(
      services.map(({ service: { metadata } }) => metadata.name),
      ['mail:any', 'mail:imap', 'mail:smtp'],
    );
  });

  it('tells of each tunnel whether it serves, with its port, and of none that the service has no more', () => {
    const members = [tunnel(29_001, 'smtp'), tunnel(29_002, 'imap'), tunnel(29_003, 'pop')];
    const { services } = view(mail(), members);
    const verdicts = services.map(({ service: { metadata }, backends }) => ({
      backend: backendName(`shop/${metadata.name}`),
      server: backends[0]!.name,
      status: metadata.name === 'mail:smtp' ? ('up' as const) : ('down' as const),
      check: 'L7TOUT',
      checkCode: undefined,
    }));
    const statuses = proxyStatuses(members, verdicts, () => mail().spec);
    assert.deepEqual(
      statuses.map(({ name, status, reason }) => [name, status, reason]),
      [
        [members[0]!.name, 'online', undefined],
        [members[1]!.name, 'offline', 'port imap: its port took no connection in 3s'],
      ],
    );
  });

  it('is admitted with the name of its port, where that has the form of one, and with nothing else of what the client says', () => {
    const metas = (given: Record<string, string>) =>
      (newProxyContent({ proxy_name: 'x', metas: given }, mail(), 29_001) as { metas?: object }).metas;
    assert.deepEqual(metas({ port: 'smtp', other: 'x' }), { port: 'smtp' });
    assert.equal(metas({ port: 'A b' }), undefined);
  });
});
