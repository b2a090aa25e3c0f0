/** The configurations that the HAProxies of a gateway have, as its agents tell them. */
import { askAll, type Reach } from '../explain/reach.ts';
import type { HaproxyConfigurations } from '../gateway/api/report-types.ts';
import type { Bundle } from './bundle.ts';

export async function addHaproxies(bundle: Bundle, reach: Reach): Promise<void> {
  const { heard, problems } = await askAll<HaproxyConfigurations>(reach, '/api/haproxy');
  bundle.missing.push(...problems.map((problem) => `configuration of HAProxy: ${problem}`));
  for (const { replica, answer } of heard)
    for (const [part, text] of Object.entries(answer))
      bundle.addProgram(
        `haproxy/${replica}-${part}.cfg`,
        `configuration of the HAProxy of ${part === 'users' ? 'users' : 'the tunnels'}`,
        withoutHeaders(text),
      );
}

/** What services have set in headers may be anything. */
export const withoutHeaders = (text: string): string =>
  text.replace(/^( *http-(?:request|response) set-header \S+) '[^\n]*$/gm, '$1 [left out]');
