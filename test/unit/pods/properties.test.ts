import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { defaultConfig } from '../../../src/config/schema.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import type { PatchOperation } from '../../../webhooks/review/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import type { Pod } from '../../../webhooks/pods/pod.ts';
import { isSidecar, isSidecarVolume } from '../../../webhooks/pods/sidecar.ts';
import { uninjectionPatch } from '../../../webhooks/pods/uninject.ts';
import { annotatedPod, services } from '../../support/arbitraries.ts';
import { storeOf } from '../../support/services.ts';

/** Applies by RFC 6902, and fails on an operation that does not apply. */
const apply = (pod: unknown, patch: readonly PatchOperation[]): unknown =>
  jsonpatch.applyPatch(structuredClone(pod), patch as Operation[], true).newDocument;

const decide = (pod: unknown, known: DistributedService[]) =>
  decidePod(pod, { namespace: 'shop', services: storeOf(...known), config: defaultConfig, selectorMode: false });

function inject(pod: unknown, known: DistributedService[]): Pod {
  const decision = decide(pod, known);
  assert.equal(decision.outcome, 'patched', decision.message);
  assert.equal(Buffer.from(decision.patchBase64!, 'base64').toString(), JSON.stringify(decision.patch));
  return apply(pod, decision.patch!) as Pod;
}

const holds = (property: (pod: object, known: DistributedService[]) => void) =>
  fc.assert(fc.property(annotatedPod, services, property), { numRuns: 300 });

describe('for every Pod that the API allows', () => {
  it('the patch applies by RFC 6902 and adds one native sidecar for each group', () => {
    holds((pod, known) => {
      const injected = inject(pod, known);
      const groups = new Set(injected.metadata!.annotations!['frp.io/group']!.split(',').map((name) => name.trim()));
      const sidecars = injected.spec!.initContainers!.filter(isSidecar);
      assert.deepEqual(new Set(sidecars.map(({ env }) => env!.find(({ name }) => name === 'FRP_GROUP')!.value)), groups);
      assert.deepEqual(injected.spec!.initContainers!.slice(0, groups.size), sidecars);
    });
  });

  it('injecting twice changes nothing', () => {
    holds((pod, known) => {
      const again = decide(inject(pod, known), known);
      assert.equal(again.reason, 'UpToDate');
      assert.equal(again.patch, undefined);
    });
  });

  it('uninject gives an equal object back', () => {
    holds((pod, known) => {
      const injected = inject(pod, known);
      assert.deepEqual(apply(injected, uninjectionPatch(injected)), pod);
    });
  });

  it("nothing of the user's changes", () => {
    holds((pod, known) => {
      const injected = structuredClone(inject(pod, known)) as Required<Pod>;
      const original = structuredClone(pod) as Required<Pod>;
      const names = new Set(injected.spec!.initContainers!.filter(isSidecar).map(({ name }) => name));
      injected.spec!.initContainers = injected.spec!.initContainers!.filter((container) => !isSidecar(container));
      injected.spec!.volumes = injected.spec!.volumes!.filter((volume) => !isSidecarVolume(volume, names));
      for (const key of Object.keys(injected.metadata!.annotations!)) {
        if (key === 'frp.io/injected' || /^frp\.io\/frpc(-1)?\.json$/.test(key)) delete injected.metadata!.annotations![key];
      }
      delete injected.metadata!.labels!['frp.io/sidecar'];
      for (const part of [original, injected]) {
        part.metadata!.labels ??= {};
        part.spec!.initContainers ??= [];
        part.spec!.volumes ??= [];
      }
      assert.deepEqual(injected, original);
    });
  });

  it("no string of a user reaches frp's template engine", () => {
    holds((pod, known) => {
      const { annotations } = inject(pod, known).metadata!;
      for (const [key, text] of Object.entries(annotations!)) {
        if (!/^frp\.io\/frpc(-1)?\.json$/.test(key)) continue;
        const actions = text.match(/\{\{.*?\}\}/gs) ?? [];
        assert.deepEqual(
          actions.filter((action) => !/^\{\{ \.Envs\.(POD_NAME|POD_UID|FRP_GROUP_KEY) \}\}$/.test(action)),
          [],
        );
        // An action that was not closed, or one made of the braces of JSON itself, would be an error at frpc's start.
        assert.ok(!text.replaceAll(/\{\{ \.Envs\.[A-Z_]+ \}\}/g, '').includes('{{'), text);
      }
    });
  });

  it('a change of the service is brought into a Pod that is injected already, and taken out again with it', () => {
    fc.assert(
      fc.property(annotatedPod, services, services, (pod, before, after) => {
        const injected = inject(pod, before);
        const decision = decide(injected, after);
        const updated = apply(injected, decision.patch ?? []);
        assert.equal(decide(updated, after).reason, 'UpToDate');
        assert.deepEqual(
          (updated as Pod).metadata!.annotations!['frp.io/frpc.json'],
          inject(pod, after).metadata!.annotations!['frp.io/frpc.json'],
        );
        assert.deepEqual(apply(updated, uninjectionPatch(updated)), pod);
      }),
      { numRuns: 200 },
    );
  });
});
