/** What is fuzzed: a reader of bytes from outside, and what must hold whatever they are. */
export interface Target {
  /** bytes that it is meant for, to begin with; each must pass */
  corpus: () => Iterable<Buffer>;
  /** texts that mean something to it, for the mutator */
  words: readonly string[];
  /** whether inputs are mostly JSON, so that they are changed as values too */
  isJson: boolean;
  /**
   * @returns which of the ways it went: an input that goes a new way is mutated further
   * @throws anything where something does not hold that must
   */
  run: (input: Buffer) => string | Promise<string>;
}

/** A message as one of few: without what the input brought into it. */
export const wayOf = (message: string): string =>
  message
    .replace(/["'`].*?["'`]/gs, '"')
    .replace(/[0-9]+/g, '0')
    .slice(0, 80);
