/** Drafts as DistributedServices with their backends: the members of a group of frp are the backends of one service. */
import type { DistributedService } from '../model/types.ts';
import { apiVersion, kind } from '../model/names.ts';
import { equalJson } from '../model/json.ts';
import { exceptionFor, isOwnMachine } from './addresses.ts';
import type { Assumptions, Draft, Spec } from './draft.ts';
import type { Finding } from './findings.ts';
import type { Names } from './names.ts';
import { withSeveralPorts } from './several-ports.ts';

export interface Migrated {
  service: DistributedService;
  /** the file of its first proxy */
  file: string;
  /** names of the proxies that it is made of */
  proxies: string[];
  findings: Finding[];
  /** ports of the apps whose Pods carry the annotation; none where the backends are endpoints */
  ports: number[];
  /** of addresses that connectors dial by exception only */
  exceptions: string[];
}

interface Member {
  draft: Draft;
  spec: Spec;
}

export function servicesOf(drafts: readonly Draft[], assumptions: Assumptions, names: Names): Migrated[] {
  const bundles = new Map<string, Member[]>();
  for (const [index, draft] of withSeveralPorts(drafts, assumptions).entries())
    for (const [part, spec] of draft.specs.entries()) {
      const place = JSON.stringify([spec.serviceType, spec.expose?.domain, spec.expose?.subdomain, spec.expose?.path, spec.expose?.port]);
      const key = draft.group === undefined ? `${index} ${part}` : `${draft.group}\n${draft.client.server}\n${place}`;
      bundles.set(key, [...(bundles.get(key) ?? []), { draft, spec }]);
    }
  const told = new Set<Draft>();
  return [...bundles.values()].map((members) => {
    const made = serviceOf(members, assumptions, names);
    // A proxy with several hosts becomes several services; what is to be said of it is said once.
    const findings = members.filter(({ draft }) => !told.has(draft)).flatMap(({ draft }) => draft.notes.findings);
    for (const { draft } of members) told.add(draft);
    return { ...made, findings: withoutTwins([...findings, ...made.findings]) };
  });
}

function serviceOf(members: readonly Member[], assumptions: Assumptions, names: Names): Migrated {
  const serving = members.filter((member) => isServed(member, members, assumptions));
  // Whoever asks for credentials counts for all: nobody gets in who did not before.
  const { draft, spec } = serving.find((member) => member.spec.security !== undefined) ?? serving[0]!;
  const { backends, ...placed } = backendsOf(members, assumptions);
  const name = names.free(draft.name);
  if (!serving.every((member) => equalJson(member.spec, spec)))
    placed.findings.push({
      level: 'differs',
      field: 'loadBalancer.group',
      message: `its members have different settings; those of "${draft.proxy}" count for all`,
    });
  const { serviceType, gateway, ...rest } = spec;
  const tuned = { ...draft.client.advanced, ...spec.advanced };
  return {
    service: {
      apiVersion,
      kind,
      metadata: { name, ...(assumptions.namespace !== undefined && { namespace: assumptions.namespace }) },
      spec: {
        serviceType,
        ...(gateway !== undefined && { gateway }),
        backends,
        ...rest,
        ...(Object.keys(tuned).length > 0 && { advanced: tuned }),
      },
    },
    file: draft.client.file,
    proxies: members.flatMap(({ draft: { proxy, proxies } }) => proxies ?? [proxy]),
    ...placed,
  };
}

/** Where some members are on the machine itself and others are not, only the others can be served. */
const isServed = ({ draft }: Member, members: readonly Member[], { localHost }: Assumptions): boolean =>
  localHost !== undefined || !isOwnMachine(draft.target.host) || members.every((member) => isOwnMachine(member.draft.target.host));

const withoutTwins = (findings: readonly Finding[]): Finding[] => [
  ...new Map(findings.map((finding) => [`${finding.level} ${finding.field} ${finding.message}`, finding])).values(),
];

type Placed = Pick<Migrated, 'findings' | 'ports' | 'exceptions'> & { backends: DistributedService['spec']['backends'] };

/** What listens on the machine itself is a Pod of its own now, unless it is said where Pods reach that machine. */
function backendsOf(members: readonly Member[], { localHost }: Assumptions): Placed {
  const targets = members.map(({ draft: { target } }) =>
    localHost !== undefined && isOwnMachine(target.host) ? { ...target, host: localHost } : target,
  );
  const far = targets.filter(({ host }) => !isOwnMachine(host));
  const nearMembers = members.filter((_, index) => isOwnMachine(targets[index]!.host));
  const near = [...new Set(nearMembers.flatMap(({ draft: { target, appPorts } }) => appPorts ?? [target.port]))];
  const hasSeveral = members.some(({ draft }) => draft.appPorts !== undefined);
  const findings: Finding[] = [];
  if (far.length === 0)
    return {
      backends: { discovery: { mode: 'auto', ...(near.length === 1 && !hasSeveral && { port: near[0]! }) } },
      findings,
      ports: near,
      exceptions: [],
    };
  if (near.length > 0)
    findings.push({
      level: 'lost',
      field: 'localIP',
      message: `a service has Pods or endpoints, not both: what listens on port ${near.join(', ')} of the machine itself is left out. Run migrate with --local-host, and the address by which Pods reach it`,
    });
  const endpoints = [...new Map(far.map((target) => [`${target.host} ${target.port}`, target])).values()];
  const bad = endpoints.filter(({ host }) => !/^[A-Za-z0-9._:-]{1,253}$/.test(host));
  for (const { host } of bad)
    findings.push({ level: 'lost', field: 'localIP', message: `${JSON.stringify(host)} is neither a name nor an address; correct it` });
  for (const { host } of endpoints)
    if (/^[A-Za-z0-9_-]+$/.test(host))
      findings.push({
        level: 'todo',
        field: 'localIP',
        message: `"${host}" must be a name that Pods of the service's namespace resolve, such as a Service there`,
      });
  const good = endpoints.filter((target) => !bad.includes(target));
  return {
    backends: { endpoints: good.map(({ host, port }) => ({ host, port })) },
    findings,
    ports: [],
    exceptions: good.flatMap(({ host }) => exceptionFor(host) ?? []),
  };
}
