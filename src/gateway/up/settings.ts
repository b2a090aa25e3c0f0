/** What a person says of a gateway outside any cluster: flags over the configuration's file. */
import { isIP } from 'node:net';
import type { Config } from '../../config/schema.ts';
import { UserError } from '../../errors.ts';
import { ports } from './layout.ts';

export interface UpOptions {
  /** absolute */
  directory: string;
  /** by which clients dial it: names and IP addresses; the first is the one that configurations of clients get */
  addresses: readonly string[];
  /** where files of services are; absolute */
  services: string | undefined;
  httpPort: number | undefined;
  httpsPort: number | undefined;
  /** of clients; the https port: theirs and users' together. undefined: as the configuration says */
  tunnelPort: number | undefined;
  haproxy: string | undefined;
  frps: string | undefined;
  /** how long users may take to finish at the end; milliseconds */
  drainMs: number;
  log: string | undefined;
}

/** @param base the configuration of file and environment @throws UserError */
export function upConfig(base: Config, options: UpOptions): Config {
  const addresses = options.addresses.length > 0 ? options.addresses : base.gateway.addresses.map(hostOf);
  if (addresses.length === 0)
    throw new UserError(
      'gateway up: --address is missing: the name or IP address by which clients reach this machine, such as --address gw.example.com',
    );
  const wrong = addresses.find((address) => isIP(address) === 0 && !/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(address));
  if (wrong !== undefined)
    throw new UserError(`gateway up: --address ${wrong} must be a name such as gw.example.com or an IP address, without a port`);
  const { httpPort = base.gateway.httpPort, httpsPort = base.gateway.httpsPort, tunnelPort = base.gateway.tunnelPort } = options;
  const gateway = {
    ...base.gateway,
    addresses: addresses.map((address) => `${bracketed(address)}:${tunnelPort}`),
    httpPort,
    httpsPort,
    tunnelPort,
    reservedPorts: [...new Set([...base.gateway.reservedPorts, ...Object.values(ports)])],
  };
  return { ...base, gateway, logLevel: (options.log as Config['logLevel'] | undefined) ?? base.logLevel };
}

/** Whether tunnels come in at the https port of users; the port for them alone is open beside it. */
export const isShared = ({ gateway }: Config): boolean => gateway.tunnelPort === gateway.httpsPort;

/** The names and addresses in the certificate of the tunnel's port. */
export const namesOf = (addresses: readonly string[], config: Config): { dnsNames: string[]; ipAddresses: string[] } => {
  const all = [...new Set([...config.gateway.addresses.map(hostOf), ...addresses])];
  return { dnsNames: all.filter((name) => isIP(name) === 0), ipAddresses: all.filter((name) => isIP(name) !== 0) };
};

/** A name or an IP address as it stands before a port. */
export const bracketed = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);

/** Of HOST, HOST:PORT or [HOST]:PORT. */
export const hostOf = (address: string): string => address.replace(/:[0-9]{1,5}$/, '').replace(/^\[|\]$/g, '');
