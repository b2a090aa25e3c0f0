/** The file of server states that a reload takes over (management manual, "show servers state", version 1). */
import { stateLines } from './running.ts';
import type { Rendered } from '../config/rendered.ts';

const header =
  '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change ' +
  'srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn ' +
  'srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port';

/**
 * States as they are, and `stopped` for checked servers that HAProxy has not met yet: a server in the configuration
 * would otherwise have requests before its first check.
 * @param shown answer of `show servers state`
 */
export function stateFileText(shown: string, wanted: Rendered['servers']): string {
  const lines = stateLines(shown).filter((line) => line.split(' ')[1]!.startsWith('be-'));
  const known = new Set(
    lines.map((line) =>
      line
        .split(' ')
        .slice(1, 4)
        .filter((_, index) => index !== 1)
        .join('/'),
    ),
  );
  const fresh = [...wanted].flatMap(([backend, servers]) =>
    servers
      .filter(({ name, isChecked }) => isChecked && !known.has(`${backend}/${name}`))
      .map(({ name, port, weight, options }) => {
        const id = /^id ([0-9]+)/.exec(options)![1]!;
        return `0 ${backend} ${id} ${name} 127.0.0.1 0 0 ${weight} ${weight} 0 1 0 0 6 0 0 1 - ${port} - 0 0 - - 0`;
      }),
  );
  return [header, ...lines, ...fresh, ''].join('\n');
}
