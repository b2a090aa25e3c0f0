/**
 * Injection of frpc sidecars into Pods: the decision, as a value. It knows nothing of the server
 * or the cluster; services come from memory.
 */
import { unservable } from '../../src/model/plainmode.ts';
import { serversOf, usesGateway } from '../../src/model/gateway.ts';
import { annotation as names } from '../../src/model/names.ts';
import type { Config } from '../../src/config/schema.ts';
import { configFor } from '../../src/config/sidecar.ts';
import { objectAt } from '../../src/model/json.ts';
import { exposuresOf, isRoutedOnly } from '../../src/model/exposure.ts';
import { randomPortNames } from '../../src/model/random-ports.ts';
import type { ServiceReader } from '../../src/model/store.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { listed } from '../review/listed.ts';
import type { DecisionReason } from '../../src/model/reasons/admission.ts';
import type { Decision } from '../review/types.ts';
import { checkNumber, optedOut, readAnnotations, readGroups, type PodAnnotations } from './annotations.ts';
import { slipsIn, slipText } from './annotation-names.ts';
import { closest } from '../../src/closest.ts';
import { withDefaults, type NamespaceReader } from './namespace-defaults.ts';
import { shapeError, type CheckedPod } from './pod.ts';
import { memberOf } from './port.ts';
import { drainOf } from './drain.ts';
import { Denial, Denials } from './reasons.ts';
import { render, type Member } from './render.ts';
import { sharedWarnings } from './shared-settings.ts';
import { selects } from './selector.ts';
import { containerName, isSidecar } from './sidecar.ts';
import { isForWindows } from './windows.ts';

export interface PodContext {
  /** the request's namespace: the object's own may be empty */
  namespace: string;
  services: ServiceReader;
  config: Config;
  /** defaults that Namespaces set for their Pods; absent: none */
  namespaces?: NamespaceReader;
  /** whether Pods without annotation may be taken in by a service's selector (namespace label frp.io/injection: enabled) */
  selectorMode: boolean;
  /** why a service must not have what it claims, or undefined */
  conflictOf?: (service: DistributedService) => string | undefined;
}

/** The decision about one Pod (or Pod template). Never throws for anything that a user wrote. */
export function decidePod(pod: unknown, context: PodContext): Decision {
  try {
    const wrong = shapeError(pod);
    if (wrong === undefined) return decide(pod as CheckedPod, context);
    if (!asksForGroups(pod, context)) return notAnnotated;
    throw new Denial('InvalidPod', wrong);
  } catch (error) {
    if (error instanceof Denial) return denied([error], []);
    throw error;
  }
}

/** The reason is that of the first problem: what comes first is what the others may come from. */
const denied = (problems: readonly Denial[], warnings: string[]): Decision => ({
  outcome: 'denied',
  reason: problems[0]!.reason,
  message: listed(problems.map(({ message }) => message)),
  problems: problems.map(({ reason, message, group }) => ({ reason, message, group })),
  warnings,
});

/** Of a Pod of any shape, such as a part of one that kustomize is to merge. */
function asksForGroups(pod: unknown, context: PodContext): boolean {
  const metadata = objectAt(pod, 'metadata');
  const annotations = objectAt(metadata, 'annotations') ?? {};
  if (annotations[names.inject] === 'false') return false;
  if (Object.hasOwn(annotations, names.group)) return true;
  const labels = Object.entries(objectAt(metadata, 'labels') ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return groupsOf({ metadata: { labels: Object.fromEntries(labels) } }, context).length > 0;
}

function decide(pod: CheckedPod, installation: PodContext): Decision {
  const defaults = installation.namespaces?.get(installation.namespace);
  const context = { ...installation, config: withDefaults(configFor(installation.config, installation.namespace), defaults) };
  const annotations = pod.metadata?.annotations ?? {};
  const denials = new Denials();
  if (denials.of(() => optedOut(annotations))) return skipped('OptedOut', `${names.inject} is "false"`);
  const named = denials.of(() => groupsOf(pod, context));
  const groups = named ?? [];
  if (groups.length === 0 && denials.found.length === 0)
    return leftover(pod) ?? { ...notAnnotated, warnings: slipsIn(annotations).map(slipText) };
  if ('kubernetes.io/config.mirror' in annotations) {
    return skipped('StaticPod', 'a static Pod is run by its kubelet from a file; add the sidecar to the file with frp-k8s inject', true);
  }
  checkNumber(groups);
  denials.of(() => refuseUnsupported(pod));
  const services = groups.flatMap((group) => denials.of(() => serviceOf(group, context, denials.found.length < mostSuggestions)) ?? []);
  const { values, wrong, warnings } = readAnnotations(annotations, named, denials);
  const members = services
    .filter(({ metadata }) => !isPortWrong(metadata.name, values, wrong))
    .flatMap((service): Member[] => denials.of(() => [memberOf(pod, service, values)]) ?? []);
  const drain = drainOf(pod, values, context.config, defaults && { name: context.namespace, ...defaults });
  const all = [...warnings, ...(defaults?.warnings ?? []), ...podWarnings(pod, values, context, services), ...drain.warnings];
  const result = members.length === groups.length ? denials.of(() => render(pod, members, values, drain.seconds, context)) : undefined;
  if (result === undefined || denials.found.length > 0) return denied(denials.found, all);
  const decision = { warnings: [...all, ...result.warnings], details: { groups } };
  if (result.patch.length === 0) return { outcome: 'allowed', reason: 'UpToDate', message: 'the sidecars are there already', ...decision };
  const message = `injected ${Array.from({ length: result.sidecars }, (_, index) => containerName(index)).join(', ')} for ${groups.join(', ')}`;
  return { outcome: 'patched', reason: 'Injected', message, patch: result.patch, patchBase64: result.patchBase64, ...decision };
}

/** Whether the annotation that names a group's port is wrong: which port was meant cannot be told. */
const isPortWrong = (group: string, { ports }: PodAnnotations, wrong: ReadonlySet<string>): boolean =>
  wrong.has(names.portOf + group) || (wrong.has(names.port) && !ports.has(group));

function skipped(reason: DecisionReason, message: string, warn = false): Decision {
  return { outcome: 'skipped', reason, message, warnings: warn ? [message] : [] };
}

const notAnnotated = skipped('NotAnnotated', `no annotation ${names.group}, and no service selects the Pod`);

function leftover({ spec }: CheckedPod): Decision | undefined {
  const sidecars = (spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
  if (sidecars.length === 0) return undefined;
  const message =
    `the Pod still has ${sidecars.join(', ')} of an earlier injection, and no annotation ${names.group}; ` +
    'take it out with frp-k8s uninject, or bring the annotation back';
  return skipped('NotAnnotated', message, true);
}

/** Names of the groups that a Pod is to join; empty for a Pod that is none of ours. */
export function groupsOf(pod: Pick<CheckedPod, 'metadata'>, { namespace, services, selectorMode }: PodContext): string[] {
  const annotated = pod.metadata?.annotations?.[names.group];
  if (annotated !== undefined) return readGroups(annotated);
  if (!selectorMode) return [];
  const labels = pod.metadata?.labels ?? {};
  return services.names(namespace).filter((name) => {
    const discovery = services.get(namespace, name)?.spec.backends.discovery;
    return discovery?.mode === 'selector' && discovery.selector !== undefined && selects(discovery.selector, labels);
  });
}

/** @throws Denial for a Pod that cannot carry a sidecar */
function refuseUnsupported(pod: CheckedPod): void {
  const { spec } = pod;
  if (isForWindows(pod)) {
    throw new Denial('UnsupportedOS', `the frpc sidecar needs Linux, and the Pod is for Windows; remove the annotation ${names.group}`);
  }
  const taken = [...spec.containers, ...(spec.initContainers ?? []).filter((container) => !isSidecar(container))].find(({ name }) =>
    /^frpc(-[1-9][0-9]*)?$/.test(name),
  );
  if (taken) {
    throw new Denial(
      'NameTaken',
      `the Pod already has a container "${taken.name}", which is the sidecar's name; rename it, or set ${names.inject}: "false"`,
    );
  }
}

/** Among thousands of services the search for a near name takes 20 ms, in which the webhook answers nobody else. */
const mostSuggestions = 2;

/** @param suggests whether to look for a near name @throws Denial for a group that cannot be joined */
function serviceOf(group: string, { namespace, services, config, conflictOf }: PodContext, suggests: boolean): DistributedService {
  const service = services.get(namespace, group);
  if (!service) throw unknownGroup(group, namespace, suggests ? services.names(namespace) : []);
  if (service.metadata.deletionTimestamp !== undefined) {
    throw new Denial(
      'ServiceDeleting',
      `DistributedService "${namespace}/${group}" is being deleted; remove the group from ${names.group}, or create the service again`,
    );
  }
  const missing = unservable(service.spec, config);
  if (missing) throw new Denial(missing.reason, `DistributedService "${namespace}/${group}": ${missing.message}`);
  const conflict = conflictOf?.(service);
  if (conflict !== undefined) throw new Denial('HostConflict', `DistributedService "${namespace}/${group}": ${conflict}`);
  const isRouted = usesGateway(service.spec, config) && isRoutedOnly(service.spec);
  const isPicked = randomPortNames(service.spec).length > 0;
  if (!isRouted && !isPicked && exposuresOf(service.spec, config.baseDomain).length === 0) {
    const remedy =
      service.spec.expose?.subdomain !== undefined && config.baseDomain === undefined
        ? 'spec.expose.subdomain needs baseDomain in the frp-k8s configuration'
        : 'set spec.expose.domain or spec.expose.port';
    throw new Denial('NotExposed', `DistributedService "${namespace}/${group}" is exposed nowhere: ${remedy}`);
  }
  return service;
}

/** Names nothing but a near name: whoever can send a review, of whatever namespace, reads the answer. */
function unknownGroup(group: string, namespace: string, existing: readonly string[]): Denial {
  const similar = closest(group, existing);
  return new Denial(
    'UnknownGroup',
    `annotation ${names.group}: there is no DistributedService "${group}" in namespace "${namespace}"` +
      (similar === undefined
        ? `; create it first, or name one that kubectl get distributedservices -n ${namespace} lists`
        : `; did you mean "${similar}"?`),
    group,
  );
}

/** Where the Pod's DNS is not the cluster's. @param server a name that only the cluster's DNS knows */
function dnsWarning({ spec: { hostNetwork, dnsPolicy } }: CheckedPod, server: string): string | undefined {
  if (dnsPolicy === 'None')
    return `the Pod has dnsPolicy: None, so ${server} is known to it only if spec.dnsConfig.nameservers has the cluster's DNS server; else its tunnel cannot connect`;
  if (dnsPolicy === 'Default')
    return `the Pod uses its node's DNS (dnsPolicy: Default), where ${server} is not known; set dnsPolicy: ${hostNetwork ? 'ClusterFirstWithHostNet' : 'ClusterFirst'}, so that its tunnel can connect`;
  if (hostNetwork && dnsPolicy !== 'ClusterFirstWithHostNet')
    return `the Pod uses the host's network and DNS, where ${server} is not known; set dnsPolicy: ClusterFirstWithHostNet, so that its tunnel can connect`;
  return undefined;
}

/** What a user should know of a Pod that is injected all the same. */
function podWarnings(pod: CheckedPod, values: PodAnnotations, { config }: PodContext, services: readonly DistributedService[]): string[] {
  const warnings: string[] = [];
  const isPlain = services.every(({ spec }) => !usesGateway(spec, config));
  if (values[names.weight] !== undefined && isPlain)
    warnings.push(`annotation ${names.weight} has no effect on a plain frp server; the gateway honours it`);
  if (values[names.readinessGate] && isPlain)
    warnings.push(`annotation ${names.readinessGate} has no effect on a plain frp server; the gateway honours it`);
  const servers = services.flatMap(({ spec }) => serversOf(spec, config)).map((gateway) => gateway?.host ?? config.frps.address);
  const hidden = servers.find((server) => /\.svc(\.|$)/.test(server));
  const dns = hidden === undefined ? undefined : dnsWarning(pod, hidden);
  if (dns !== undefined) warnings.push(dns);
  for (const isGateway of [true, false])
    warnings.push(...sharedWarnings(services.filter(({ spec }) => usesGateway(spec, config) === isGateway)));
  for (const { metadata, spec } of services) {
    if (spec.backends.endpoints) {
      warnings.push(
        `DistributedService "${metadata.name}" lists its backends in spec.backends.endpoints; the Pod joins them as one more backend`,
      );
    }
  }
  return warnings;
}
