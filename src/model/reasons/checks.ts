/** What `frp-k8s check` finds by itself; what a condition, an Event or a refusal says already has its own reason. */
import { installationReasons } from './checks-installation.ts';
import { usersReasons } from './checks-users.ts';

export const checkReasons = { ...installationReasons, ...usersReasons } as const;
export type CheckReason = keyof typeof checkReasons;
