import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultConfig } from '../../../src/config/schema.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import type { Container } from '../../../webhooks/pods/pod.ts';
import { podCases, podServices } from '../../corpus/pods.ts';
import { storeOf } from '../../support/services.ts';

const context = {
  namespace: 'corpus',
  services: storeOf(...(podServices as unknown as DistributedService[])),
  config: defaultConfig,
  selectorMode: false,
};

describe('the decision about a Pod with', () => {
  for (const { name, pod, refused, warned = [], sidecars } of podCases) {
    it(`${name}: ${refused ? 'denied' : sidecars?.length ? 'injected' : 'left alone'}`, () => {
      const decision = decidePod(pod, context);
      if (refused) {
        assert.equal(decision.outcome, 'denied', decision.message);
        for (const text of refused) assert.ok(decision.message.includes(text), `"${decision.message}" lacks "${text}"`);
        return;
      }
      const added = (decision.patch ?? [])
        .filter(({ path }) => path.startsWith('/spec/initContainers'))
        .flatMap((operation) => (operation as { value: Container[] }).value);
      assert.deepEqual(
        added.map((container) => container.name),
        sidecars,
        decision.message,
      );
      const warnings = decision.warnings.join('\n');
      for (const text of warned) assert.ok(warnings.includes(text), `"${warnings}" lacks "${text}"`);
      if (warned.length === 0) assert.equal(warnings, '');
    });
  }
});
