/** Commands that are to be run as printed: what users wrote is quoted, so that a shell takes it for nothing but text. */

export const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** `-p '{"spec":…}'` */
export const patchOf = (patch: object): string => `-p ${shellQuoted(JSON.stringify(patch))}`;
