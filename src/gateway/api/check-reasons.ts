/**
 * Why HAProxy sends nothing to a member, in words: from the state of its server and its last check (management manual,
 * 9.1, "check_status"). Nothing that the app itself has written is in it, but for the number of its status.
 */
import { roleCheckOf } from '../../model/read-write.ts';
import type { DistributedServiceSpec } from '../../model/types.ts';
import { checkKind } from '../haproxy/config/health-checks.ts';

export interface CheckedServer {
  status: 'up' | 'down' | 'drain' | 'maint';
  /** of the last check: a word such as L7STS, empty before the first */
  check: string;
  /** status of the answer, where there was one; 0 while the next check is under way */
  checkCode: number | undefined;
}

/** @returns such as `GET /health answered 404`; undefined where it is up, or nothing is known yet */
export function reasonOf({ status, check, checkCode }: CheckedServer, spec: DistributedServiceSpec): string | undefined {
  if (status === 'up') return undefined;
  if (status !== 'down') return 'its Pod is not ready';
  const { timeout = '3s' } = spec.loadBalancing?.healthCheck ?? {};
  const role = roleCheckOf(spec);
  if (role) return check === '' ? undefined : ofRole(role, { check, checkCode }, timeout);
  // A connection to frps is accepted whatever the app does.
  if (/^(L4|SOCK)/.test(check)) return 'its tunnel takes no connection';
  if (check === 'L6TOUT') return `its health check got no TLS handshake in ${timeout}`;
  if (check.startsWith('L6')) return 'its health check got no TLS handshake';
  const said = { L7TOUT: 'late', L7STS: 'status', L7RSP: 'garbage' } as const;
  return check in said ? ofApp(said[check as keyof typeof said], checkCode, spec) : undefined;
}

/** Why it is neither the primary nor a replica. */
function ofRole(
  { port, paths }: NonNullable<ReturnType<typeof roleCheckOf>>,
  { check, checkCode }: Pick<CheckedServer, 'check' | 'checkCode'>,
  timeout: string,
): string {
  const where = `port ${port}, where it is to tell its role,`;
  if (/^(L4|SOCK)/.test(check)) return `${where} has no tunnel; a Pod from before spec.backends.readWrite restarts`;
  if (check === 'L7TOUT') return `${where} did not answer in ${timeout}`;
  if (check === 'L7STS' && checkCode)
    return `it says that it has no role: at port ${port} GET ${paths.primary} answered ${checkCode}, and GET ${paths.replica} not 200`;
  return `${where} gave no HTTP answer`;
}

/** What the app did. @param said that it is late, an answer with a status, or something that is no answer */
function ofApp(said: 'late' | 'status' | 'garbage', code: number | undefined, spec: DistributedServiceSpec): string | undefined {
  const { path = '/health', timeout = '3s' } = spec.loadBalancing?.healthCheck ?? {};
  const isLate = said === 'late';
  switch (checkKind(spec)) {
    case 'none':
      return undefined;
    case 'tcp':
      return isLate ? `its port took no connection in ${timeout}` : 'its port takes no connections';
    case 'grpc':
      return `grpc.health.v1.Health/Check ${isLate ? `did not answer in ${timeout}` : 'did not answer SERVING'}`;
    case 'http':
    case 'https':
      if (isLate) return `GET ${path} did not answer in ${timeout}`;
      if (said === 'garbage') return `GET ${path} got no HTTP answer`;
      return `GET ${path} answered ${code === undefined || code === 0 ? 'with an error' : code}`;
  }
}
