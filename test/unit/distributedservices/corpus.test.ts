import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decideDefault, decideValidate } from '../../../webhooks/distributedservices/decide.ts';
import { defaulted } from '../../../src/model/defaults.ts';
import { describeFinding } from '../../../src/model/findings.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import { schemaFindings } from '../../../src/model/schema-findings.ts';
import { validateOffline } from '../../../webhooks/distributedservices/offline.ts';
import { contextWith } from '../../corpus/context.ts';
import { serviceCases, standingServices } from '../../corpus/services.ts';
import { createOf, updateOf } from './review.ts';

const context = contextWith(standingServices);

function contains(texts: string[], wanted: string[] = []): void {
  const all = texts.join('\n');
  for (const text of wanted) assert.ok(all.includes(text), `lacks "${text}":\n${all}`);
}

suite('the corpus offline', () => {
  for (const { name, object, refused, warned, layer } of serviceCases.filter(({ stored }) => !stored)) {
    test(`${name}: ${refused ? 'refused' : 'admitted'}`, () => {
      const result = validateOffline(object, context);
      assert.equal(result.layer, layer, result.findings.map(describeFinding).join('\n'));
      contains(result.findings.filter((finding) => finding.layer === layer).map(describeFinding), refused);
      contains(result.warnings, warned);
    });
  }

  test('what one layer refuses, it refuses alone: the layers before it have nothing to say', () => {
    for (const { object, layer } of serviceCases.filter(({ layer }) => layer === 'webhook')) {
      assert.deepEqual(
        validateOffline(object, context).findings.filter((finding) => finding.layer !== layer),
        [],
      );
    }
  });
});

suite('the corpus in reviews', () => {
  for (const { name, object, stored, refused, warned, layer } of serviceCases.filter(
    ({ layer }) => layer !== 'decoding' && layer !== 'schema',
  )) {
    test(`${name}: ${refused ? 'denied' : 'allowed'}`, () => {
      const complete = defaulted(object) as JsonObject;
      const before = stored === undefined ? undefined : (defaulted(stored) as JsonObject);
      const { claims } = contextWith([...standingServices, ...(before ? [before] : [])]);
      const request = before ? updateOf(before, complete) : createOf(complete);
      const decision = decideValidate(request, { config: context.config, claims });
      assert.equal(decision.outcome, layer === 'webhook' ? 'denied' : 'allowed', decision.message);
      contains([decision.message], refused);
      const defaulting = decideDefault(createOf(object));
      contains([...decision.warnings, ...defaulting.warnings], warned);
    });
  }

  test('serviceType cannot change', () => {
    for (const { object, stored, refused } of serviceCases.filter(({ stored, layer }) => stored && layer === 'schema')) {
      const findings = schemaFindings(defaulted(object) as JsonObject, defaulted(stored) as JsonObject);
      contains(findings.map(describeFinding), refused);
      assert.equal(findings.length, refused?.length);
    }
  });
});
