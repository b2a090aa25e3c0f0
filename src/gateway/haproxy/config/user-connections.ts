/**
 * How many connections users may hold. HAProxy's own limit counts every frontend, those inside too, and at the limit none
 * takes anything: the kubelet's question would wait behind users that are idle, and so would their requests on the way from
 * one frontend to the next. So users have a limit of their own, below the process's.
 */
import type { UsersSettings } from './rendered.ts';

/** At a time of the kubelet, of checks of tcp services, and of requests that wait for servers at two frontends more (recovery.ts); each. */
export const reserved = 1000;
/** Frontends that a user may be in at once: where TLS may pass through, where it ends, and the one before the servers. */
export const hops = 3;

/** Counts them, of one process. */
export const usersTable = 'frp-users';

type Limits = Pick<UsersSettings, 'maxConnections'>;

/** Of the section `global`: HAProxy starts where it may open fewer files than all its connections need. */
export const startsAnyway = '  no strict-limits';

/** Of the section `global`. */
export const processLimit = ({ maxConnections: most }: Limits): string[] =>
  most === undefined ? [] : [`  maxconn ${hops * most + 4 * reserved}`];

/** Of the section `defaults`: who comes to a frontend that has so many waits in the kernel's queue. */
export const defaultLimit = ({ maxConnections: most }: Limits): string[] => (most === undefined ? [] : [`  maxconn ${most}`]);

/** Of a frontend whose connections are no users'. */
export const ownLimit: readonly string[] = [`maxconn ${reserved}`];

/** Of a frontend of users: all of them together have no more, who comes then is refused. */
export const countedUsers = ({ maxConnections: most }: Limits): string[] =>
  most === undefined
    ? []
    : [`tcp-request connection track-sc2 int(0) table ${usersTable}`, `tcp-request connection reject if { sc2_conn_cur gt ${most} }`];

/** The section that counts them. */
export const usersSection = ({ maxConnections: most }: Limits): string[][] =>
  most === undefined ? [] : [[`backend ${usersTable}`, '  stick-table type integer size 10 expire 1m store conn_cur']];
