/** Which port of the gateway leads to which service of its cluster. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterPortsOf } from '../../../src/gateway/ir/cluster-ports.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';

const holding = (name: string, gatewayPort: number | undefined, clusterService: object | undefined = {}): DistributedService => ({
  ...service(name, { expose: { domain: `${name}.example.com`, clusterService } }),
  status: { clusterService: gatewayPort === undefined ? {} : { gatewayPort } },
});

describe('ports of the gateway for Services of the cluster', () => {
  it('are those of services that ask for one, and that the controller has given one', () => {
    const silent = service('silent', { expose: { domain: 'silent.example.com' } });
    const services = [
      holding('web', 61_234),
      holding('waiting', undefined),
      { ...silent, status: { clusterService: { gatewayPort: 61_235 } } },
      service('unjudged', { expose: { clusterService: {} } }),
    ];
    assert.deepEqual([...clusterPortsOf(services)], [['shop/web', 61_234]]);
  });

  it('are none of the gateway’s own, whatever a status says', () => {
    assert.deepEqual([...clusterPortsOf([7000, 8080, 10_004, 29_999, 60_999].map((port) => holding(`p-${port}`, port)))], []);
  });

  it('lead nowhere where two services have one, so that neither is taken for the other', () => {
    assert.deepEqual([...clusterPortsOf([holding('a', 61_000), holding('b', 61_000), holding('c', 61_001)])], [['shop/c', 61_001]]);
  });
});
