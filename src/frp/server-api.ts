/** frps' own API (frp server/http), which the gateway's agent offers in the same form. */
export interface Credentials {
  user: string;
  password: string;
}

/** Value of the header `Authorization` (RFC 7617). */
export const basicAuthorization = ({ user, password }: Credentials): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
