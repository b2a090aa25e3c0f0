/** What a cluster that has joined may have of the gateway: namespaces, hosts, ports. Nothing beyond it is believed. */
import * as z from 'zod';
import { UserError } from '../../errors.ts';
import type { Exposure } from '../../model/exposure.ts';
import { coversHost } from '../../model/hosts.ts';

const list = z.array(z.string().min(1).max(300)).max(1000).optional();

/** Each: absent means any. */
export const grantSchema = z.object({
  namespaces: list,
  /** names, and `*.example.com` for those below one */
  hosts: list,
  /** a port, or two with a hyphen between */
  ports: list,
});
export type Grant = z.infer<typeof grantSchema>;

/**
 * A grant from what a person writes, lists with commas.
 * @throws UserError that names the option
 */
export function parseGrant(given: { namespaces?: string | undefined; hosts?: string | undefined; ports?: string | undefined }): Grant {
  const split = (text: string | undefined) =>
    text
      ?.split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  const check = (option: string, parts: string[] | undefined, form: RegExp, example: string) => {
    const bad = parts?.length === 0 ? '' : parts?.find((part) => !form.test(part));
    if (bad !== undefined) throw new UserError(`--${option}: ${JSON.stringify(bad)} is not in the form of ${example}`);
    return parts;
  };
  const ports = check('ports', split(given.ports), /^[0-9]{1,5}(-[0-9]{1,5})?$/, '5432 or 6000-6100');
  for (const range of ports ?? []) {
    const [first, last] = bounds(range);
    if (first < 1 || last > 65_535 || first > last) throw new UserError(`--ports: ${range} is no range of ports between 1 and 65535`);
  }
  return {
    namespaces: check('namespaces', split(given.namespaces), /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'a namespace such as prod'),
    hosts: check(
      'hosts',
      split(given.hosts)?.map((host) => host.toLowerCase()),
      /^(\*\.)?[a-z0-9][-a-z0-9.]{0,252}$/,
      'api.example.com or *.example.com',
    ),
    ports,
  };
}

export const givesNamespace = ({ namespaces }: Grant, namespace: string): boolean => !namespaces || namespaces.includes(namespace);

const givesExposure = ({ hosts, ports }: Grant, exposure: Exposure): boolean =>
  'host' in exposure
    ? !hosts || hosts.some((host) => coversHost(host, exposure.host))
    : !ports || ports.some((range) => bounds(range)[0] <= exposure.port && exposure.port <= bounds(range)[1]);

/** Why a cluster may not have a service, as a sentence; undefined where it may. */
export function grantProblem(grant: Grant, namespace: string, exposures: readonly Exposure[]): string | undefined {
  if (!givesNamespace(grant, namespace)) return `this cluster has no grant for namespace ${namespace} at the gateway`;
  const beyond = exposures.find((exposure) => !givesExposure(grant, exposure));
  if (!beyond) return undefined;
  return `this cluster has no grant for ${'host' in beyond ? `host ${beyond.host}` : `port ${beyond.port}`} at the gateway`;
}

/** For people: `namespaces a, b; any host; ports 5432`. */
export function describeGrant({ namespaces, hosts, ports }: Grant): string {
  const part = (name: string, values: readonly string[] | undefined) => (values ? `${name}s ${values.join(', ')}` : `any ${name}`);
  return [part('namespace', namespaces), part('host', hosts), part('port', ports)].join('; ');
}

const bounds = (range: string): [number, number] => {
  const [first, last = first] = range.split('-').map(Number);
  return [first!, last!];
};
