/** A request explained: the way that it takes through each replica of the gateway, and where it ends. */
import { read, unread, valueOf } from '../diagnose/read.ts';
import type { Trace, TraceEnd, TraceStep } from '../gateway/api/report-types.ts';
import { distributedServices } from '../kube/types.ts';
import { describeExposure } from '../model/exposure.ts';
import { claimedBy } from '../model/claims.ts';
import { coversHost } from '../model/hosts.ts';
import { serviceKey } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { bad, good, info, unknown, type Explanation, type Line, type Section } from './explanation.ts';
import { askAll, type Heard } from './reach.ts';
import { conditionLines } from './service.ts';
import type { World } from './world.ts';

export interface HostQuestion {
  host: string;
  path: string;
  scheme: 'http' | 'https';
  method: string;
  /** NAME:VALUE */
  headers: readonly string[];
  /** of a user who has a credential; undefined: without one */
  roles: readonly string[] | undefined;
}

/** @param text HOST, HOST/PATH, HOST:PORT or a URL @returns undefined where it is none */
export function hostIn(text: string): (Pick<HostQuestion, 'host' | 'path'> & { scheme: HostQuestion['scheme'] | undefined }) | undefined {
  const [, scheme, host = '', port, path = '/'] = /^(?:(https?):\/\/)?([A-Za-z0-9*._-]*)(?::([0-9]{1,5}))?(\/.*)?$/.exec(text) ?? [];
  const isOwnPort = port !== undefined && port !== '80' && port !== '443';
  if (host === '' && !isOwnPort) return undefined;
  return { host: isOwnPort ? `:${port}` : host.toLowerCase(), path, scheme: scheme as HostQuestion['scheme'] | undefined };
}

export function questionPath({ host, path, scheme, method, headers, roles }: HostQuestion): string {
  const query = new URLSearchParams({ host, path, scheme, method });
  for (const header of headers) query.append('header', header);
  for (const role of roles ?? []) query.append('role', role);
  if (roles !== undefined) query.append('authenticated', '');
  return `/api/routes?${query.toString()}`;
}

/** Of a port of its own there is neither scheme nor path. */
export const subjectOf = ({ host, path, scheme, method }: HostQuestion): Explanation['subject'] =>
  host.startsWith(':')
    ? { kind: 'Connection', name: `to port ${host.slice(1)}` }
    : { kind: 'Request', name: `${method} ${scheme}://${host}${path}` };

export async function explainHost(world: World, question: HostQuestion): Promise<Explanation> {
  const { heard, problems } = await askAll<Trace>(world.reach, questionPath(question));
  const claimed =
    heard.length > 0 && heard.every(({ answer }) => answer.steps.every(({ passes }) => passes))
      ? []
      : await claimSection(world, question.host);
  return {
    subject: subjectOf(question),
    sections: [
      ...traceSections(heard),
      ...claimed,
      { title: 'Not known', lines: [...world.gaps, ...problems.map((problem) => unknown(problem))] },
    ],
  };
}

/** Replicas that say the same are told once. */
export function traceSections(heard: readonly Heard<Trace>[]): Section[] {
  const same = Map.groupBy(heard, ({ answer: { steps, ends } }) => JSON.stringify([steps, ends]));
  return [...same.values()].flatMap((group) => {
    const { steps, ends } = group[0]!.answer;
    const title = `At ${group.map(({ replica }) => replica).join(', ')}`;
    if (ends.length === 1) return [{ title, lines: [...steps, ...ends[0]!.steps].map(stepLine).concat(endLine(ends[0]!.end)) }];
    return [
      { title, lines: steps.map(stepLine) },
      ...ends.map(({ share, steps: own, end }) => ({
        title: `${title}, ${Math.round(share * 100)} percent of requests`,
        lines: [...own.map(stepLine), endLine(end)],
      })),
    ];
  });
}

const stepLine = ({ at, passes, isUnknown, text }: TraceStep): Line =>
  isUnknown ? unknown(`${at.padEnd(9)}${text}`) : passes ? good(`${at.padEnd(9)}${text}`) : bad(`${at.padEnd(9)}${text}`);

function endLine({ status, text }: TraceEnd): Line {
  if (status === undefined) return info(`→ ${text}`);
  return { level: status >= 400 ? 'error' : 'info', text: `→ ${status}: ${text}` };
}

/** Who says that he has the host: of a service that is left out its status has why. */
async function claimSection({ client, config }: World, host: string): Promise<Section[]> {
  const listed = await read('list distributedservices', () => client.list<DistributedService>(distributedServices));
  const why = unread(listed);
  const claiming = (valueOf(listed)?.items ?? []).flatMap((service) =>
    claimedBy(service, config.baseDomain)
      .filter((exposure) => ('host' in exposure ? coversHost(exposure.host, host) : `:${exposure.port}` === host))
      .map((exposure) => ({ service, exposure })),
  );
  const lines = claiming
    .slice(0, 20)
    .flatMap(({ service, exposure }) => [info(`${serviceKey(service)} has ${describeExposure(exposure)}`), ...conditionLines(service)]);
  const place = host.startsWith(':') ? `port ${host.slice(1)}` : host;
  const nobody = why === undefined && claiming.length === 0 ? [bad(`no DistributedService of this cluster has ${place}`)] : [];
  return [{ title: `Services of ${place}`, lines: [...lines, ...nobody, ...(why === undefined ? [] : [unknown(why)])] }];
}
