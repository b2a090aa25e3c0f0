/** Visitors of frpc, which open a port on their machine for a secret proxy elsewhere. */
import type { JsonObject } from '../model/json.ts';
import type { Finding } from './findings.ts';

export function visitorOf({ name, type, serverName }: JsonObject): { subject: string; findings: Finding[] } {
  const message = `${String(type)} visitor of ${JSON.stringify(serverName ?? null)}: no counterpart: it opens a port for users beside it, not for the public. Keep frpc for it, or let those users ask the DistributedService that the proxy becomes`;
  return { subject: `visitor "${String(name)}"`, findings: [{ level: 'lost', field: 'type', message }] };
}
