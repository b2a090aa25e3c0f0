import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { externalEndpointOf } from '../../../src/controller/status/external-endpoint.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';

const config = configSchema.parse({ frps: { address: 'frp.example.com' }, gateway: { addresses: ['[2001:db8::1]:7443', 'gw-1'] } });
const endpoint = (spec: Partial<DistributedServiceSpec>) => externalEndpointOf(service('web', spec), config);

describe('where users reach a service', () => {
  it('is a URL for http, with https where the gateway has its certificate', () => {
    const expose = { domain: 'a.example.com', path: '/v1' };
    assert.equal(endpoint({ expose }), 'http://a.example.com/v1');
    assert.equal(endpoint({ expose: { ...expose, tls: { secretName: 'a-tls' } } }), 'https://a.example.com/v1');
  });

  it('is the address for users of what it goes through for tcp, and never the one that sidecars dial of the gateway', () => {
    const tcp = { serviceType: 'tcp', expose: { type: 'port', port: 5432 } } as const;
    assert.equal(endpoint(tcp), undefined);
    assert.equal(externalEndpointOf(service('web', tcp), config, '2001:db8::7'), '[2001:db8::7]:5432');
    const told = configSchema.parse({ gateway: { addresses: ['gw-1'], publicAddress: 'apps.example.com' } });
    assert.equal(externalEndpointOf(service('web', tcp), told), 'apps.example.com:5432');
    assert.equal(endpoint({ ...tcp, gateway: false }), 'frp.example.com:5432');
  });

  it('is the address with all ports where there are several', () => {
    const ports = [25, 587].map((port) => ({ name: `p-${port}`, port }));
    assert.equal(endpoint({ serviceType: 'tcp', expose: { type: 'port', ports }, gateway: false }), 'frp.example.com:25,587');
    const backends = { discovery: {}, readWrite: { writePort: 5432, readPort: 5433 } };
    const told = configSchema.parse({ gateway: { addresses: ['gw-1'], publicAddress: 'apps.example.com' } });
    assert.equal(externalEndpointOf(service('pg', { serviceType: 'tcp', expose: {}, backends }), told), 'apps.example.com:5432,5433');
  });

  it('is not known of a service that only the routes of others lead to', () => {
    assert.equal(endpoint({ expose: { path: '/' } }), undefined);
  });
});
