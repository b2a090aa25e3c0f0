/** What shapes a proxy's traffic: health checks, bandwidth, the PROXY protocol. */
import type { Spec } from './draft.ts';
import type { Fields } from './fields.ts';
import type { Notes } from './findings.ts';

type HealthCheck = NonNullable<NonNullable<Spec['loadBalancing']>['healthCheck']>;

/** @param check the proxy's `healthCheck`; frp's defaults where it names none (frp client/health/health.go); without a type there is no check. */
export function healthCheckOf(check: Fields, notes: Notes): HealthCheck {
  const type = check.text('type');
  const positive = (name: string, otherwise: number) => {
    const value = check.number(name) ?? 0;
    return value > 0 ? value : otherwise;
  };
  const [interval, asked, failureThreshold] = [positive('intervalSeconds', 10), positive('timeoutSeconds', 3), positive('maxFailed', 1)];
  const path = check.text('path');
  if (type === undefined) return { enabled: false };
  if (type !== 'tcp' && type !== 'http') {
    notes.lost('healthCheck.type', `${JSON.stringify(type)} is none of tcp and http; frp refuses it too`);
    return { enabled: false };
  }
  // frp would begin the next check while the last one waits.
  const timeout = interval === 1 ? 0 : Math.min(asked, interval - 1);
  const pause = timeout === 0 ? 2 : interval;
  if (timeout !== asked || pause !== interval)
    notes.differs(
      'healthCheck',
      `its timeout of ${asked}s must be below its interval of ${interval}s; it is ${timeout || 1}s of ${pause}s here`,
    );
  return {
    type,
    ...(type === 'http' && { path: pathOf(path, notes) }),
    interval: `${Math.min(pause, 999_999)}s`,
    timeout: `${Math.min(timeout || 1, 999_999)}s`,
    failureThreshold: Math.min(failureThreshold, 1000),
  };
}

function pathOf(path: string | undefined, notes: Notes): string {
  const full = path === undefined ? '/' : path.startsWith('/') ? path : `/${path}`;
  if (path === undefined) notes.lost('healthCheck.path', 'is missing, and frp refuses a http check without it; "/" is checked');
  if (/^\/[!-~]*$/.test(full) && full.length <= 1024) return full;
  notes.lost('healthCheck.path', 'has characters that no request has; "/" is checked');
  return '/';
}

/** How the proxy's own `transport` shapes what is sent. */
export function transportOf(fields: Fields, type: string, notes: Notes): Pick<Spec, 'advanced'> & { proxyProtocol?: 'v1' | 'v2' } {
  const transport = fields.child('transport');
  const limit = transport.text('bandwidthLimit');
  const mode = transport.text('bandwidthLimitMode');
  const bandwidth = limit === undefined ? undefined : bandwidthOf(limit, mode, notes);
  if (transport.flag('useEncryption')) notes.differs('transport.useEncryption', 'needs nothing: the tunnel is always TLS');
  if (transport.flag('useCompression'))
    notes.differs(
      'transport.useCompression',
      'is frps.transport.useCompression of the configuration, of every sidecar that dials a plain frp server; set it there. Through the gateway spec.advanced.compression compresses answers',
    );
  const version = transport.text('proxyProtocolVersion');
  const isKnown = version === 'v1' || version === 'v2';
  if (isKnown && type !== 'udp')
    notes.todo(
      'transport.proxyProtocolVersion',
      'is spec.expose.proxyProtocol, which needs the gateway; behind a plain frp server the app gets no such header and must not wait for one',
    );
  else if (version !== undefined)
    notes.lost(
      'transport.proxyProtocolVersion',
      type === 'udp' ? 'no counterpart for udp; turn it off in the app' : `${JSON.stringify(version)} is none of v1 and v2`,
    );
  return { ...(bandwidth && { advanced: { bandwidth } }), ...(isKnown && type !== 'udp' && { proxyProtocol: version }) };
}

type Bandwidth = NonNullable<NonNullable<Spec['advanced']>['bandwidth']>;

/** frp takes fractions (frp pkg/config/types/types.go). */
function bandwidthOf(text: string, mode: string | undefined, notes: Notes): Bandwidth | undefined {
  const [, number = '', unit] = /^[ \t]*([0-9]{1,9}(?:\.[0-9]{1,9})?)(MB|KB)[ \t]*$/.exec(text) ?? [];
  if (unit === undefined) {
    notes.lost('transport.bandwidthLimit', 'must be a number with MB or KB, such as 1MB; frp refuses it too');
    return undefined;
  }
  const kilobytes = Number(number) * (unit === 'MB' ? 1024 : 1);
  if (kilobytes === 0) return undefined;
  const whole = Math.max(1, Math.round(kilobytes));
  if (whole !== kilobytes) notes.differs('transport.bandwidthLimit', `is written in whole KB: ${whole}KB`);
  const limit = whole % 1024 === 0 ? `${whole / 1024}MB` : `${whole}KB`;
  return { limit, ...(mode === 'server' && { mode }) };
}
