/** What Istio's injector really makes of Pods, before our webhook and after it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { defaultConfig } from '../../../src/config/schema.ts';
import { asReviewed } from '../../../src/manifests/json.ts';
import { objectsOf, parseManifests } from '../../../src/manifests/read.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import type { CheckedPod, Container } from '../../../webhooks/pods/pod.ts';
import { uninjectionPatch } from '../../../webhooks/pods/uninject.ts';
import { podTemplateOf } from '../../../webhooks/workloads/templates.ts';
import { rawManifests } from '../../corpus/manifests.ts';
import { podServices } from '../../corpus/pods.ts';
import { storeOf } from '../../support/services.ts';

const services = storeOf(...(podServices as unknown as DistributedService[]));
const decide = (pod: unknown) => decidePod(pod, { namespace: 'corpus', services, config: defaultConfig, selectorMode: false });
const apply = (pod: CheckedPod, patch: readonly object[] = []): CheckedPod =>
  jsonpatch.applyPatch(structuredClone(pod), patch as Operation[], true).newDocument;
const portOf = ({ metadata }: CheckedPod): unknown =>
  (JSON.parse(metadata!.annotations!['frp.io/frpc.json']!) as { proxies: { localPort: unknown }[] }).proxies[0]!.localPort;

function inject(pod: CheckedPod): CheckedPod {
  const decision = decide(pod);
  assert.equal(decision.outcome, 'patched', decision.message);
  return apply(pod, decision.patch);
}

/** The names of what the mesh added, as its own annotation has them. */
interface Added {
  initContainers: string[] | null;
  containers: string[] | null;
  volumes: string[] | null;
}
const goldens = rawManifests.filter(({ name }) => name.startsWith('istio-'));

function read(text: string): { meshed: CheckedPod; added: Added } {
  const [object] = parseManifests('-', text).flatMap(objectsOf);
  const status = /sidecar\.istio\.io\/status: '(.*)'/.exec(text)![1]!;
  return { meshed: asReviewed(podTemplateOf(object!.value)!.pod) as CheckedPod, added: JSON.parse(status) as Added };
}

/** The list with and without what the mesh added. */
function parted<T extends { name: string }>(
  all: readonly T[] | null | undefined,
  added: readonly string[] | null,
): [theirs: T[], own: T[]] {
  const isTheirs = ({ name }: T) => added?.includes(name) ?? false;
  return [(all ?? []).filter(isTheirs), (all ?? []).filter((item) => !isTheirs(item))];
}

describe('beside Istio', () => {
  it('its own texts are looked at', () => assert.ok(goldens.length >= 7));

  for (const { name, text } of goldens) {
    const { meshed, added } = read(text);
    const [theirInits, ownInits] = parted(meshed.spec.initContainers, added.initContainers);
    const [theirContainers, ownContainers] = parted<Container>(meshed.spec.containers, added.containers);
    const [theirVolumes, ownVolumes] = parted(meshed.spec.volumes as { name: string }[] | undefined, added.volumes);
    if (ownContainers.length === 0) continue; // a gateway of the mesh: there is no Pod without it
    const before: CheckedPod = {
      ...meshed,
      spec: { ...meshed.spec, initContainers: ownInits, containers: ownContainers, volumes: ownVolumes },
    };

    it(`a Pod of ${name} gets the same port before the mesh and after it`, () => {
      assert.equal(portOf(inject(meshed)), portOf(inject(before)));
    });

    for (const [order, put] of [
      ['first', <T>(theirs: T[], present: T[]) => [...theirs, ...present]],
      ['last', <T>(theirs: T[], present: T[]) => [...present, ...theirs]],
    ] as const) {
      it(`a Pod of ${name} that the mesh has taken after us, its containers ${order}, stays as it is when we are called again`, () => {
        const ours = inject(before);
        const both: CheckedPod = {
          ...ours,
          spec: {
            ...ours.spec,
            initContainers: put(theirInits, ours.spec.initContainers!),
            containers: put(theirContainers, ours.spec.containers),
            volumes: put(theirVolumes, ours.spec.volumes as { name: string }[]),
          },
        };
        assert.equal(decide(both).reason, 'UpToDate');
        const back = apply(both, uninjectionPatch(both));
        assert.deepEqual(back, {
          ...meshed,
          spec: {
            ...meshed.spec,
            initContainers: put(theirInits, ownInits),
            containers: put(theirContainers, ownContainers),
            volumes: put(theirVolumes, ownVolumes),
          },
        });
      });
    }
  }
});
