/**
 * The schema as a function. The build puts the code that ajv writes in the place of this file (scripts/build.ts), so
 * that the bundled program starts without ajv and without compiling a schema.
 */
import { Ajv, type Options, type ValidateFunction } from 'ajv';
import { openApiSchema } from './crd.ts';

export const ajvOptions: Options = {
  allErrors: true,
  verbose: true,
  // Kubernetes' own keywords (x-kubernetes-…) are not ajv's.
  strict: false,
  formats: { 'date-time': true },
};

let compiled: ValidateFunction | undefined;

/** Validates a whole object; it leaves its errors in its property `errors`. */
export function validator(): ValidateFunction {
  compiled ??= new Ajv(ajvOptions).compile(openApiSchema());
  return compiled;
}
