import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { configSchema } from '../../../src/config/schema.ts';
import { describeFinding } from '../../../src/model/findings.ts';
import { unservable } from '../../../src/model/plainmode.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { validateOffline } from '../../../webhooks/distributedservices/offline.ts';
import { contextWith } from '../../corpus/context.ts';

const manifests = resolve(import.meta.dirname, '../../../manifests');
const config = configSchema.parse(parse(readFileSync(join(manifests, 'gateway/config.yaml'), 'utf8')));
const servicesIn = (file: string) =>
  parseAllDocuments(readFileSync(join(manifests, 'samples', file), 'utf8'))
    .map((document) => document.toJS() as DistributedService)
    .filter(({ kind }) => kind === 'DistributedService');

/** What is told of a sample all the same, by service. */
const warnings: Record<string, RegExp[]> = {
  'user-service of apis': [/^spec\.expose: names no host/, /healthCheck was not set/],
  'auth-service of apis': [/^spec\.expose: names no host/, /healthCheck was not set/],
  'api-gateway of apis': [/healthCheck was not set/],
  'ollama-cluster of ai-services': [/^spec\.advanced\.retry: a request that no backend answers is sent 3 times/],
  'ollama-plain of ai-services': [/^spec\.advanced\.retry: a request that no backend answers is sent 3 times/],
};

describe('behind the gateway, sample', () => {
  for (const file of readdirSync(join(manifests, 'samples')).filter((name) => servicesIn(name).length > 0)) {
    it(`${file} is served with every field that it sets`, () => {
      const services = servicesIn(file);
      const context = contextWith(services, config);
      for (const service of services) {
        const { findings, warnings: told } = validateOffline(service, context);
        assert.deepEqual(findings.map(describeFinding), []);
        assert.equal(unservable(service.spec, config), undefined);
        const expected = warnings[`${service.metadata.name} of ${service.metadata.namespace}`] ?? [];
        assert.deepEqual(
          told.filter((warning) => !expected.some((text) => text.test(warning))),
          [],
        );
      }
    });
  }
});
