/** What a person can mend: printed without a stack, exit code 1. */
export class UserError extends Error {}
