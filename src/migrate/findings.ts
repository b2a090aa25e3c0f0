/**
 * frpc's configuration files, and the older shapes of DistributedService, as DistributedServices. What has no counterpart is
 * a finding, with what to do about it: nothing is dropped in silence.
 */

/**
 * `lost`: users, or their protection, do without something until a person acts. `todo`: a step that is left to a person.
 * `differs`: it works, in another way.
 */
export type Level = 'lost' | 'todo' | 'differs';

export interface Finding {
  level: Level;
  /** the field that it is about, as the file spells it; empty: the whole */
  field: string;
  /** what became of it and what to do. Never a secret's value */
  message: string;
}

/** The findings about one thing: a server, a proxy, a file. */
export class Notes {
  readonly findings: Finding[] = [];

  add(level: Level, field: string, message: string): void {
    if (!this.findings.some((known) => known.field === field && known.message === message)) this.findings.push({ level, field, message });
  }

  lost(field: string, message: string): void {
    this.add('lost', field, message);
  }

  todo(field: string, message: string): void {
    this.add('todo', field, message);
  }

  differs(field: string, message: string): void {
    this.add('differs', field, message);
  }
}
