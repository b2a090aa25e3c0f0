/** `frp-k8s uninject`: takes sidecars out of manifests again. */
import { uninjectionPatch } from '../../webhooks/pods/uninject.ts';
import { objectsOf, readManifests } from '../manifests/read.ts';
import { UserError } from '../errors.ts';
import { parseOptions } from './options.ts';
import { formats, output, type Format } from './rewrite.ts';
import { countOf } from './report.ts';
import { noObject, podsOf, where } from './workset.ts';

export const help = `frp-k8s uninject: take frpc sidecars out of manifests, back to the original

usage: frp-k8s uninject -f FILE|- [-o yaml|json|patch]

  -f, --filename FILE   manifest, directory or - for standard input; may be repeated
  -o, --output FORMAT   yaml (default), json, or patch

examples:
  frp-k8s uninject -f injected.yaml > original.yaml
  kubectl get deployment web -o yaml | frp-k8s uninject -f - | kubectl apply -f -
`;

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('uninject', args, {
    filename: { type: 'string', short: 'f', multiple: true },
    output: { type: 'string', short: 'o', default: 'yaml' },
  });
  if (!options.filename?.length) throw new UserError('uninject: -f FILE is missing (- reads standard input); see frp-k8s uninject --help');
  if (!(formats as readonly string[]).includes(options.output))
    throw new UserError(`uninject: -o ${options.output}: must be one of: ${formats.join(', ')}`);
  const documents = readManifests(options.filename);
  const bad = documents.flatMap(noObject);
  if (bad.length > 0) throw new UserError(`uninject: ${bad.join('\nfrp-k8s: uninject: ')}`);
  const objects = documents.flatMap(objectsOf);
  const rewrites = podsOf(objects, 'any')
    .map(({ object, pod, pointer }) => ({ object, pointer, patch: uninjectionPatch(pod) }))
    .filter(({ patch }) => patch.length > 0);
  process.stdout.write(output(documents, rewrites, options.output as Format));
  for (const { object } of rewrites) process.stderr.write(`restored: ${where(object)}\n`);
  process.stderr.write(`${countOf(objects.length, 'object')}: ${rewrites.length} restored\n`);
  return 0;
}
