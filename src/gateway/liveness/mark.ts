/** Something that has happened once in the life of the Pod, remembered over the end of this process. */
import { existsSync, writeFileSync } from 'node:fs';

export class Mark {
  readonly #path: string;
  #isSet: boolean;

  /** @param path of a file in a directory that lives as long as the Pod */
  constructor(path: string) {
    this.#path = path;
    this.#isSet = existsSync(path);
  }

  get isSet(): boolean {
    return this.#isSet;
  }

  set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    try {
      writeFileSync(this.#path, '');
    } catch {
      // A full disk: the next process finds out for itself.
    }
  }
}
