/** Reads what Ollama says of the models that it has loaded (`GET /api/ps`). */
import { isObject, listOf } from '../../../model/json.ts';
import { memoryFamily, type Told } from './model-families.ts';

/** @throws Error where it is something else */
export function loadedIn(text: string): Told {
  const page: unknown = JSON.parse(text);
  if (!isObject(page) || !Array.isArray(page.models)) throw new Error('no list of models');
  const models = listOf(page.models).slice(0, mostModels).filter(isObject);
  return new Map(
    models.flatMap(({ name, size_vram: bytes }) => {
      if (typeof name !== 'string') return [];
      return [[name, new Map([[memoryFamily, typeof bytes === 'number' && bytes >= 0 ? bytes : 0]])]];
    }),
  );
}

const mostModels = 100;
