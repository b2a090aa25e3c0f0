/** Whether an object of the API server has all that ours has: what the server adds does not count. */
import { isObject } from '../model/json.ts';

/** @returns where it lacks something first, such as `openAPIV3Schema.properties.spec`; undefined where it has all */
export function containsJson(actual: unknown, wanted: unknown, path = ''): string | undefined {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(actual) || actual.length !== wanted.length) return path;
    return first(wanted.map((each, index) => () => containsJson(actual[index], each, `${path}[${index}]`)));
  }
  if (isObject(wanted)) {
    if (!isObject(actual)) return path;
    return first(
      Object.entries(wanted).map(([key, value]) => () => {
        const at = path === '' ? key : `${path}.${key}`;
        return value === undefined ? undefined : containsJson(actual[key], value, at);
      }),
    );
  }
  return actual === wanted ? undefined : path;
}

function first(questions: readonly (() => string | undefined)[]): string | undefined {
  for (const ask of questions) {
    const answer = ask();
    if (answer !== undefined) return answer;
  }
  return undefined;
}
