/**
 * Finds what makes HAProxy refuse a configuration, by leaving parts out. Pure but for the question it is given.
 *
 * What is known to be good together comes first. Of the rest, halves are added as long as they are taken; a single one
 * that is not is a culprit. For k culprits among n that is about 2 k log2 n questions. Where the questions or the time
 * run out, what is left is undecided: it is served by none, and the next round goes on with it.
 */
export interface Question<Answer> {
  /** services, the most trusted first: of two that only together are refused the later one is the culprit */
  keys: readonly string[];
  /** those that are thought to be culprits: asked about last */
  suspects: ReadonlySet<string>;
  /** @param keys the services to take in; @returns undefined where HAProxy takes it, else why not */
  refusal: (keys: readonly string[]) => Promise<Answer | undefined>;
  isOver: () => boolean;
}

export interface Finding<Answer> {
  culprits: Map<string, Answer>;
  undecided: string[];
}

export async function findCulprits<Answer>({ keys, suspects, refusal, isOver }: Question<Answer>): Promise<Finding<Answer>> {
  const good: string[] = [];
  const culprits = new Map<string, Answer>();
  const undecided: string[] = [];
  const admit = async (part: readonly string[]): Promise<void> => {
    if (part.length === 0) return;
    if (isOver()) return void undecided.push(...part);
    const why = await refusal([...good, ...part]);
    if (why === undefined) good.push(...part);
    else if (part.length === 1) culprits.set(part[0]!, why);
    else {
      const middle = part.length >> 1;
      await admit(part.slice(0, middle));
      await admit(part.slice(middle));
    }
  };
  await admit(keys.filter((key) => !suspects.has(key)));
  await admit(keys.filter((key) => suspects.has(key)));
  return { culprits, undecided };
}
