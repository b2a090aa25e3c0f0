/** What a person can mend: printed without a stack. */
export class UserError extends Error {
  /** of the program; 2 where a command that looks could not look */
  readonly exitCode: number;

  constructor(message: string, { exitCode = 1, ...options }: ErrorOptions & { exitCode?: number } = {}) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
