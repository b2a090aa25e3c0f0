/** A reader with a fault for each thing that fuzzing watches. */
import type { Target } from '../../fuzz/target.ts';

const kept: unknown[] = [];

export const target: Target = {
  corpus: () => [Buffer.from('{"a": 1}'), Buffer.from('plain')],
  isJson: true,
  words: ['magic'],
  run: (input) => {
    const text = input.toString();
    if (text.includes('hang')) for (;;);
    if (text.includes('memory')) for (;;) kept.push(Array.from({ length: 100_000 }, (_, index) => index + 0.5));
    if (text.includes('slow')) for (const from = process.threadCpuUsage().user; process.threadCpuUsage().user - from < 60_000;);
    if (text.includes('magic')) throw new Error('there is no magic');
    return text.slice(0, 2);
  },
};
