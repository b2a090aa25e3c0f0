/**
 * The patch of a Pod whose groups and ports are decided. Replicas of one Deployment differ in nothing that matters
 * here, so the rendered patch is remembered by what it depends on.
 */
import { createHash } from 'node:crypto';
import type { Config } from '../../src/config/schema.ts';
import { renderClientConfig, type LocalMember } from '../../src/frp/client-config.ts';
import { sharedTuning, tuningOf, type PodSize } from '../../src/frp/tuning.ts';
import { quantityValue } from '../../src/frp/units.ts';
import { addressText, serversOf, type GatewayAddress } from '../../src/model/gateway.ts';
import { annotation as names, label } from '../../src/model/names.ts';
import { programVersion } from '../../src/version.ts';
import type { PatchOperation } from '../../src/model/json-patch.ts';
import type { PodAnnotations } from './annotations.ts';
import { mainContainers } from './meshes.ts';
import { injectionPatch, isRegisteredGate } from './patch.ts';
import { PatchMemory, type RenderedPatch } from './patch-memory.ts';
import type { CheckedPod } from './pod.ts';
import { Denial } from './reasons.ts';
import { resourceFacts, resourcesOf, type Resources } from './resources.ts';
import { containerName, isConfigAnnotation, isSidecar, sidecarOf, type Sidecar } from './sidecar.ts';

/** One group that the Pod joins, and the port of the app. */
export type Member = LocalMember;

/** One sidecar of a Pod: frpc dials one server, so there is one for the plain frp server, and one for each replica of the gateway. */
interface Dial {
  /** undefined: the plain frp server */
  gateway: GatewayAddress | undefined;
  members: Member[];
}

/** The sidecars of a Pod, in the order in which its groups come to their servers. */
function dialsOf(members: readonly Member[], config: Config): Dial[] {
  const dials = new Map<string, Dial>();
  for (const member of members) {
    const servers = new Map(serversOf(member.service.spec, config).map((gateway) => [gateway ? addressText(gateway) : '', gateway]));
    for (const [address, gateway] of servers) {
      const dial = dials.get(address);
      if (dial) dial.members.push(member);
      else dials.set(address, { gateway, members: [member] });
    }
  }
  return [...dials.values()];
}

export interface Rendered {
  patch: PatchOperation[];
  /** base64 of the patch's JSON */
  patchBase64: string;
  /** how many */
  sidecars: number;
  warnings: readonly string[];
}

interface Context {
  namespace: string;
  config: Config;
}

/** TotalAnnotationSizeLimitB, k8s.io/apimachinery/pkg/api/validation/objectmeta.go */
const annotationLimit = 256 * 1024;

/** @param drain seconds @throws Denial NameTaken, TooLarge */
export function render(
  pod: CheckedPod,
  members: readonly Member[],
  annotations: PodAnnotations,
  drain: number,
  context: Context,
): Rendered {
  const isFresh =
    !(pod.spec.initContainers ?? []).some(isSidecar) &&
    !Object.keys(pod.metadata?.annotations ?? {}).some((key) => key === names.injected || isConfigAnnotation(key)) &&
    !pod.spec.readinessGates?.some(isRegisteredGate);
  const size = podSize(pod);
  const facts = resourceFacts(pod);
  const { resources, warnings } = resourcesOf(annotations, context.config, facts);
  const dials = dialsOf(members, context.config);
  refuseTakenVolumes(pod, dials.length);
  const build = (): RenderedPatch => {
    const sidecars = dials.map((dial, index) => buildSidecar(index, dial, annotations, context, { size, drain, resources }));
    const isGated = annotations[names.readinessGate] === true && dials.some(({ gateway }) => gateway !== undefined);
    const patch = injectionPatch(pod, {
      sidecars,
      isGated,
      pullSecrets: context.config.sidecar.imagePullSecrets,
      injected: describe(sidecars, dials, context.config),
    });
    return { patch, patchBase64: Buffer.from(JSON.stringify(patch)).toString('base64'), annotationBytes: annotationBytes(sidecars) };
  };
  const result = isFresh
    ? memory.remembered(
        memoKey(pod, members, annotations, context, [
          drain,
          size.cpu,
          size.memory,
          JSON.stringify(facts),
          pod.metadata == null ? String(pod.metadata) : 'present',
          JSON.stringify(pod.spec.imagePullSecrets),
        ]),
        build,
      )
    : build();
  refuseTooLarge(pod, result.annotationBytes);
  return { patch: result.patch, patchBase64: result.patchBase64, sidecars: dials.length, warnings };
}

function buildSidecar(
  index: number,
  { members, gateway }: Dial,
  annotations: PodAnnotations,
  { namespace, config }: Context,
  pod: { size: PodSize; drain: number; resources: Resources },
): Sidecar {
  const tuning = sharedTuning(members.map(({ service }) => tuningOf(service.spec, annotations[names.profile], pod.size)));
  const logLevel = annotations[names.sidecarLogLevel] ?? config.sidecar.logLevel;
  const appAddress = annotations[names.appAddress] ?? config.sidecar.appAddress;
  return sidecarOf({
    index,
    members,
    audience: gateway && config.gateway.audience,
    config,
    image: annotations[names.sidecarImage] ?? config.sidecar.image,
    appAddress,
    resources: pod.resources,
    drain: pod.drain,
    text: renderClientConfig({ members, namespace, tuning, logLevel, appAddress, gateway }, config),
  });
}

/** Content of annotation frp.io/injected: for people, never proof of anything. */
function describe(sidecars: readonly Sidecar[], dials: readonly Dial[], { frps }: Config): Record<string, unknown> {
  const servers = dials.map(({ gateway = { host: frps.address, port: frps.port } }) => `${gateway.host}:${gateway.port}`);
  return {
    version: programVersion,
    groups: [...new Set(dials.flatMap(({ members }) => members.map(({ service }) => service.metadata.name)))],
    gateway: [...new Set(servers)].join(','),
    hash: createHash('sha256').update(JSON.stringify(sidecars)).digest('hex').slice(0, 16),
  };
}

/** CPU and memory of the app's containers together, or of the Pod as a whole: limits, else requests. */
function podSize(pod: CheckedPod): PodSize {
  const whole = pod.spec.resources;
  const sum = (resource: 'cpu' | 'memory') => {
    const ofPod = quantityValue(whole?.limits?.[resource] ?? whole?.requests?.[resource]);
    if (ofPod !== undefined) return ofPod;
    let total: number | undefined;
    for (const { resources } of mainContainers(pod)) {
      const quantity = resources?.limits?.[resource] ?? resources?.requests?.[resource];
      const value = quantity === undefined ? undefined : quantityValue(quantity);
      if (value !== undefined) total = (total ?? 0) + value;
    }
    return total;
  };
  return { cpu: sum('cpu'), memory: sum('memory') };
}

function refuseTakenVolumes({ spec }: CheckedPod, count: number): void {
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  for (let index = 0; index < count; index++) {
    const owner = containerName(index);
    const taken = (spec.volumes ?? []).find(
      ({ name }) => !sidecars.has(owner) && (name === `${owner}-config` || name === `${owner}-certs`),
    );
    if (taken) throw new Denial('NameTaken', `the Pod already has a volume "${taken.name}", which is the sidecar's name; rename it`);
  }
}

const annotationBytes = (sidecars: readonly Sidecar[]): number =>
  sidecars.reduce((sum, { annotation: [key, value] }) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0) + 512;

function refuseTooLarge(pod: CheckedPod, added: number): void {
  const annotations = pod.metadata?.annotations ?? {};
  let total = added;
  for (const key in annotations) {
    if (!isConfigAnnotation(key) && key !== names.injected) total += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  }
  if (total <= annotationLimit) return;
  throw new Denial(
    'TooLarge',
    `the Pod's annotations would have ${total} bytes with the sidecars' configuration, and Kubernetes allows ${annotationLimit}; remove annotations, or join fewer groups`,
  );
}

const memory = new PatchMemory();
const identities = new WeakMap<object, number>();
let lastIdentity = 0;

/** A number that stands for an object as long as it lives: a changed service is another object. */
function identity(object: object): number {
  let id = identities.get(object);
  if (id === undefined) identities.set(object, (id = ++lastIdentity));
  return id;
}

/** Everything that a patch depends on, of a Pod that has nothing of ours but, maybe, the label. */
function memoKey(
  pod: CheckedPod,
  members: readonly Member[],
  annotations: PodAnnotations,
  { namespace, config }: Context,
  rest: readonly unknown[],
): string {
  const shape = [pod.metadata?.annotations, pod.metadata?.labels, pod.spec.initContainers, pod.spec.volumes, pod.spec.readinessGates].map(
    (value) => (value == null ? String(value) : 'present'),
  );
  const marked = pod.metadata?.labels?.[label.sidecar];
  return JSON.stringify([
    identity(config),
    namespace,
    members.map(({ service, localPort, localPorts }) => [identity(service), localPort, localPorts]),
    annotations,
    shape,
    marked,
    // JSON knows no Infinity and no undefined.
    rest.map(String),
  ]);
}
