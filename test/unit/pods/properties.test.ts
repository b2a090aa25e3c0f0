import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { defaultConfig, type Config } from '../../../src/config/schema.ts';
import { membershipsIn } from '../../../src/frp/proxy-names.ts';
import { usesGateway } from '../../../src/model/gateway.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import type { PatchOperation } from '../../../src/model/json-patch.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { isRegisteredGate } from '../../../webhooks/pods/patch.ts';
import type { Pod } from '../../../webhooks/pods/pod.ts';
import { groupsIn, isConfigAnnotation, isSidecar, isSidecarVolume } from '../../../webhooks/pods/sidecar.ts';
import { uninjectionPatch } from '../../../webhooks/pods/uninject.ts';
import { annotatedPod, gatewayConfig, plainServices, services } from '../../support/arbitraries.ts';
import { storeOf } from '../../support/services.ts';

/** Applies by RFC 6902, and fails on an operation that does not apply. */
const apply = (pod: unknown, patch: readonly PatchOperation[]): unknown =>
  jsonpatch.applyPatch(structuredClone(pod), patch as Operation[], true).newDocument;

const decide = (pod: unknown, known: DistributedService[], config: Config) =>
  decidePod(pod, { namespace: 'shop', services: storeOf(...known), config, selectorMode: false });

function inject(pod: unknown, known: DistributedService[], config: Config): Pod {
  const decision = decide(pod, known, config);
  assert.equal(decision.outcome, 'patched', decision.message);
  assert.equal(Buffer.from(decision.patchBase64!, 'base64').toString(), JSON.stringify(decision.patch));
  return apply(pod, decision.patch!) as Pod;
}

const holds = (property: (pod: object, known: DistributedService[], config: Config) => void) => {
  fc.assert(
    fc.property(annotatedPod, plainServices, (pod, known) => property(pod, known, defaultConfig)),
    { numRuns: 150 },
  );
  fc.assert(fc.property(annotatedPod, services, gatewayConfig, property), { numRuns: 250 });
};

describe('for every Pod that the API allows', () => {
  it('the patch applies by RFC 6902 and adds one native sidecar for each server, which joins every group that goes there', () => {
    holds((pod, known, config) => {
      const injected = inject(pod, known, config);
      const groups = [...new Set(injected.metadata!.annotations!['frp.io/group']!.split(',').map((name) => name.trim()))];
      const sidecars = injected.spec!.initContainers!.filter(isSidecar);
      assert.deepEqual(injected.spec!.initContainers!.slice(0, sidecars.length), sidecars);
      const gateways = new Set(config.gateway.addresses);
      const [through, plain] = [true, false].map((isGateway) =>
        groups.filter((group) => usesGateway(known.find(({ metadata }) => metadata.name === group)!.spec, config) === isGateway),
      );
      assert.equal(sidecars.length, (plain!.length > 0 ? 1 : 0) + (through!.length > 0 ? gateways.size : 0));
      const texts = Object.entries(injected.metadata!.annotations!).filter(([key]) => isConfigAnnotation(key));
      const joined = texts.map(([, text]) => membershipsIn(text, 'shop').map(({ service }) => service));
      const byText = (a: string, b: string) => Number(a > b) - Number(a < b);
      assert.deepEqual(
        joined.map((all) => all.join()).sort(byText),
        [...(plain!.length > 0 ? [plain!.join()] : []), ...(through!.length > 0 ? [...gateways].map(() => through!.join()) : [])].sort(
          byText,
        ),
      );
      assert.deepEqual(
        sidecars.map((container) => [...groupsIn(container).keys()].join()).sort(byText),
        joined.map((all) => all.join()).sort(byText),
      );
    });
  });

  it('injecting twice changes nothing', () => {
    holds((pod, known, config) => {
      const again = decide(inject(pod, known, config), known, config);
      assert.equal(again.reason, 'UpToDate');
      assert.equal(again.patch, undefined);
    });
  });

  it('uninject gives an equal object back', () => {
    holds((pod, known, config) => {
      const injected = inject(pod, known, config);
      assert.deepEqual(apply(injected, uninjectionPatch(injected)), pod);
    });
  });

  it("nothing of the user's changes", () => {
    holds((pod, known, config) => {
      const injected = structuredClone(inject(pod, known, config)) as Required<Pod>;
      const original = structuredClone(pod) as Required<Pod>;
      const names = new Set(injected.spec!.initContainers!.filter(isSidecar).map(({ name }) => name));
      injected.spec!.initContainers = injected.spec!.initContainers!.filter((container) => !isSidecar(container));
      injected.spec!.volumes = injected.spec!.volumes!.filter((volume) => !isSidecarVolume(volume, names));
      for (const key of Object.keys(injected.metadata!.annotations!)) {
        if (key === 'frp.io/injected' || isConfigAnnotation(key)) delete injected.metadata!.annotations![key];
      }
      delete injected.metadata!.labels!['frp.io/sidecar'];
      const had = original.spec!.readinessGates?.some(isRegisteredGate) ?? false;
      injected.spec!.readinessGates = injected.spec!.readinessGates?.filter((gate) => had || !isRegisteredGate(gate)) ?? null;
      for (const part of [original, injected]) {
        part.spec!.readinessGates ??= [];
        part.metadata!.labels ??= {};
        part.spec!.initContainers ??= [];
        part.spec!.volumes ??= [];
      }
      assert.deepEqual(injected, original);
    });
  });

  it("no string of a user reaches frp's template engine", () => {
    holds((pod, known, config) => {
      const ours = /\{\{ (\.Envs\.(POD_NAME|POD_UID|FRP_GROUP_KEY(_[0-9]+)?)|if \.Envs\.FRP_GROUP_KEY_[0-9]+|end) \}\}/;
      const { annotations } = inject(pod, known, config).metadata!;
      for (const [key, text] of Object.entries(annotations!)) {
        if (!isConfigAnnotation(key)) continue;
        const actions = text.match(/\{\{.*?\}\}/gs) ?? [];
        assert.deepEqual(
          actions.filter((action) => action.replace(ours, '') !== ''),
          [],
        );
        // An action that was not closed, or one made of the braces of JSON itself, would be an error at frpc's start.
        assert.ok(!text.replaceAll(new RegExp(ours, 'g'), '').includes('{{'), text);
      }
    });
  });

  it('a change of the service is brought into a Pod that is injected already, and taken out again with it', () => {
    fc.assert(
      fc.property(annotatedPod, services, services, gatewayConfig, gatewayConfig, (pod, before, after, configBefore, config) => {
        const injected = inject(pod, before, configBefore);
        const decision = decide(injected, after, config);
        const updated = apply(injected, decision.patch ?? []);
        assert.equal(decide(updated, after, config).reason, 'UpToDate');
        const texts = (of: unknown) => Object.entries((of as Pod).metadata!.annotations!).filter(([key]) => isConfigAnnotation(key));
        assert.deepEqual(new Map(texts(updated)), new Map(texts(inject(pod, after, config))));
        assert.deepEqual(apply(updated, uninjectionPatch(updated)), pod);
      }),
      { numRuns: 200 },
    );
  });
});
