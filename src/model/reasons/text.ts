/** What is said of a reason: one word that logs, conditions, Events, metrics and `frp-k8s check` have. A sentence each. */
export interface ReasonText {
  meaning: string;
  cause: string;
  remedy: string;
}

declare const brand: unique symbol;
/** A reason that another program said, which may be newer than this one: it has a text here only if it is one of ours. */
export type ReasonOfOthers = string & { readonly [brand]: 'of others' };

const longestReason = 64;
export const reasonOfOthers = (word: string): ReasonOfOthers => word.slice(0, longestReason) as ReasonOfOthers;

/** Of a reason that tells of nothing wrong. */
export const fine = (meaning: string): ReasonText => ({ meaning, cause: 'Nothing is wrong.', remedy: 'None is needed.' });
