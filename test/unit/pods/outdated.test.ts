import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { configSchema, defaultConfig } from '../../../src/config/schema.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { outdatedGroups } from '../../../webhooks/pods/outdated.ts';
import { service, storeOf } from '../../support/services.ts';

const before = [service('web'), service('admin')];
const pod = (() => {
  const plain = {
    metadata: { name: 'web-1', namespace: 'shop', annotations: { 'frp.io/group': 'web,admin' } },
    spec: { containers: [{ name: 'app', image: 'nginx:1', ports: [{ containerPort: 80 }] }] },
  };
  const { patch } = decidePod(plain, { namespace: 'shop', services: storeOf(...before), config: defaultConfig, selectorMode: false });
  return jsonpatch.applyPatch(plain, patch as Operation[]).newDocument;
})();

const outdated = (...services: DistributedService[]) => outdatedGroups(pod, storeOf(...services), defaultConfig);

describe('a running Pod', () => {
  it('is up to date while its services are what they were', () => {
    assert.deepEqual(outdated(...before), []);
  });

  it('is outdated for the service whose tunnel changed, and for no other', () => {
    const moved = service('admin', { expose: { type: 'domain', domain: 'new.example.com' } });
    assert.deepEqual(outdated(service('web'), moved), ['admin']);
  });

  it('is not outdated by a change that no tunnel needs', () => {
    assert.deepEqual(outdated(service('web', { loadBalancing: { algorithm: 'ip-hash' } }), service('admin')), []);
  });

  it('is not outdated by what is the Pod’s own, its namespace’s or the installation’s to say', () => {
    const config = configSchema.parse({ sidecar: { logLevel: 'debug', appAddress: 'podIP', memoryLimit: '1Gi' } });
    assert.deepEqual(outdatedGroups(pod, storeOf(...before), config), []);
    const moved = service('admin', { expose: { type: 'domain', domain: 'new.example.com' } });
    assert.deepEqual(outdatedGroups(pod, storeOf(service('web'), moved), config), ['admin']);
  });

  it('is not outdated by a service that is gone', () => {
    assert.deepEqual(outdated(service('web')), []);
  });
});
