/** Whether the program should be sent traffic: a list of named checks, each with its reason. */

/** Undefined when all is well, otherwise why not. */
export type Check = () => string | undefined;

export class Readiness {
  readonly #checks = new Map<string, Check>();

  add(name: string, check: Check): void {
    this.#checks.set(name, check);
  }

  /** One line a check, as kube-apiserver's own /readyz?verbose writes them. */
  report(): { ready: boolean; text: string } {
    let ready = true;
    const lines = [...this.#checks].map(([name, check]) => {
      const problem = check();
      if (problem === undefined) return `[+]${name} ok`;
      ready = false;
      return `[-]${name} failed: ${problem}`;
    });
    return { ready, text: [...lines, ready ? 'readyz check passed' : 'readyz check failed', ''].join('\n') };
  }
}
