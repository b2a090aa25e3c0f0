/** What the Service of `spec.expose.clusterService` is like: its name, its port and whether clients speak TLS there. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterPortEndsTls, clusterServiceName, servicePortOf } from '../../../src/model/cluster-service.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';

type Expose = NonNullable<DistributedServiceSpec['expose']>;
const tls = { secretName: 'web-tls', redirect: false };
const by = (serviceType: DistributedServiceSpec['serviceType'], expose: Expose): DistributedServiceSpec => ({
  ...service('web').spec,
  serviceType,
  expose: { clusterService: {}, ...expose },
});
const domain = 'web.example.com';

const table: [what: string, spec: DistributedServiceSpec, port: ReturnType<typeof servicePortOf>, endsTls: boolean][] = [
  ['http', by('http', { domain }), { name: 'http', appProtocol: 'http', port: 80 }, false],
  ['http with a certificate', by('http', { domain, tls }), { name: 'http', appProtocol: 'http', port: 80 }, false],
  ['http by TLS alone', by('http', { domain, tls: { ...tls, redirect: true } }), { name: 'https', appProtocol: 'https', port: 443 }, true],
  ['http at a port', by('http', { type: 'port', port: 8080 }), { name: 'http', appProtocol: 'http', port: 8080 }, false],
  ['grpc', by('grpc', { path: '/' }), { name: 'grpc', appProtocol: 'kubernetes.io/h2c', port: 80 }, false],
  ['grpc at a port', by('grpc', { type: 'port', port: 9090 }), { name: 'grpc', appProtocol: 'kubernetes.io/h2c', port: 9090 }, false],
  ['grpc whose TLS passes through', by('grpc', { domain }), { name: 'tls', port: 443 }, false],
  ['grpc whose TLS ends in the gateway', by('grpc', { domain, tls }), { name: 'https', appProtocol: 'https', port: 443 }, true],
  ['tcp at a port', by('tcp', { type: 'port', port: 5432 }), { name: 'tcp', port: 5432 }, false],
  ['tcp whose TLS passes through', by('tcp', { domain }), { name: 'tls', port: 443 }, false],
  ['tcp whose TLS ends in the gateway', by('tcp', { domain, tls }), { name: 'tls', port: 443 }, true],
  ['a port of its own', by('tcp', { type: 'port', port: 6000, clusterService: { port: 5432 } }), { name: 'tcp', port: 5432 }, false],
];

describe('the Service of a service in the cluster', () => {
  for (const [what, spec, port, endsTls] of table)
    it(`speaks what users speak: ${what}`, () => {
      assert.deepEqual(servicePortOf(spec, undefined), port);
      assert.equal(clusterPortEndsTls(spec), endsTls);
    });

  it('has the name of the service, or the one that it gives, where a Service may have it', () => {
    const named = (name: string, clusterService?: Expose['clusterService']) =>
      clusterServiceName(service(name, { expose: { clusterService } }));
    assert.equal(named('web'), undefined);
    assert.equal(named('web', {}), 'web');
    assert.equal(named('v1.web', { name: 'web' }), 'web');
    for (const name of ['v1.web', '1st', 'a'.repeat(64), 'web-']) assert.equal(named(name, {}), undefined, name);
  });
});
