/**
 * HAProxy's end of the connection to frps that a tunnel is in, such as `127.0.0.1:40882`. It goes with each session and
 * proxy as metadata, which frps gives back, so that an agent which has restarted still finds the tunnel of a member.
 */
const key = 'tunnel';

/** Metadata for an address as frps tells it; none for anything else. */
export const tunnelMetadata = (address: unknown): { tunnel?: string } => (isAddress(address) ? { [key]: address } : {});

/** The address in a proxy's metadata, which this agent has written. */
export function tunnelIn(metadata: unknown): string | undefined {
  const address = (metadata as Record<string, unknown> | null | undefined)?.[key];
  return isAddress(address) ? address : undefined;
}

/** The port in it. */
export const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

const isAddress = (address: unknown): address is string => typeof address === 'string' && /^[0-9a-f.:[\]]{1,50}:[0-9]{1,5}$/.test(address);
