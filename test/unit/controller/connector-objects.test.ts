import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { deploymentOf, type Deployment } from '../../../src/controller/connectors/objects.ts';
import { service } from '../../support/services.ts';

const podOf = ({ spec }: Deployment) => (spec.template as { spec: { imagePullSecrets?: { name: string }[] } }).spec;

describe('the Deployment of a connector', () => {
  it('names the Secrets that sidecars of its namespace pull their image with', () => {
    const subject = service('web');
    const others = [{ namespaces: [subject.metadata.namespace!], imagePullSecrets: ['mirror'] }];
    const names = (sidecar: object) => podOf(deploymentOf(subject, configSchema.parse({ sidecar }))).imagePullSecrets;
    assert.deepEqual(names({ imagePullSecrets: ['registry', 'second'] }), [{ name: 'registry' }, { name: 'second' }]);
    assert.deepEqual(names({ imagePullSecrets: ['registry'], namespaces: others }), [{ name: 'mirror' }]);
    assert.equal(names({}), undefined);
  });
});
