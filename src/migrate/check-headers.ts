/** Headers of frpc's health check. Checks here send a Host and a User-Agent of their own, and no other. */
import { checkAgent, checkHost } from '../model/health-check.ts';
import { exposuresOf } from '../model/exposure.ts';
import type { Assumptions, Spec } from './draft.ts';
import type { Fields } from './fields.ts';
import type { Notes } from './findings.ts';

/** @param check the proxy's `healthCheck` @param specs of its services. Values may be secrets: none but a Host is told. */
export function tellCheckHeaders(check: Fields, specs: readonly Spec[], { baseDomain }: Assumptions, notes: Notes): void {
  // Of one name frpc sends the last.
  const headers = new Map(check.pairs('httpHeaders').map(([name, value]) => [name.toLowerCase(), value]));
  if (check.text('type') !== 'http') return;
  const field = 'healthCheck.httpHeaders';
  for (const [name, value] of headers)
    switch (name) {
      case 'host': {
        const sent = [...new Set(specs.map((spec) => checkHost(asService(spec), exposuresOf(asService(spec), baseDomain))))];
        if (sent.includes(value)) notes.differs(field, `Host needs nothing: the check asks for ${value} by itself`);
        else
          notes.lost(
            field,
            `the check asks for Host ${sent.join(' or ')}; where the app answers ${JSON.stringify(value)} alone, set spec.expose.hostHeader, which requests then have too`,
          );
        break;
      }
      case 'user-agent':
        notes.differs(field, `User-Agent is ${checkAgent}, by which the app knows the check`);
        break;
      default:
        notes.lost(
          field,
          `no counterpart: the check sends Host and User-Agent alone, so choose a path that answers 2xx without ${JSON.stringify(name)}`,
        );
    }
}

const asService = (spec: Spec) => ({ ...spec, backends: {} });
