/** Paths of routes (spec.routes), by whole segments. */

/** A path without slashes at its end or in a row; the root is empty. */
export const segments = (path: string): string => path.replace(/\/+/g, '/').replace(/\/$/, '');

/** Path of a route: a final `/*` means the same as none. */
export const routePath = (path: string | undefined): string => segments((path ?? '/').replace(/\/?\*$/, ''));

export const isBelow = (path: string, top: string): boolean => path === top || path.startsWith(`${top}/`);
