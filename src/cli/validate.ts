/** `frp-k8s validate`: what kubectl, the API server and the webhooks would say, offline. */
import { decidePod } from '../../webhooks/pods/decide.ts';
import { podTemplateOf } from '../../webhooks/workloads/templates.ts';
import type { Config } from '../config/schema.ts';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../errors.ts';
import { objectsOf, readManifests, type ManifestObject } from '../manifests/read.ts';
import { Claims } from '../model/claims.ts';
import { defaulted } from '../model/defaults.ts';
import { describeFinding } from '../model/findings.ts';
import { group, kind as serviceKind } from '../model/names.ts';
import { ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { validateOffline } from '../../webhooks/distributedservices/offline.ts';
import { parseOptions } from './options.ts';
import { metadataOf, nameOf, workset } from './workset.ts';

export const help = `frp-k8s validate: check DistributedServices, and the frp.io annotations of Pods and workloads, offline

usage: frp-k8s validate -f FILE|DIR|-... [--services FILE|DIR]... [-n NAMESPACE] [--config FILE]

One line a finding, all layers at once, in the API server's own words:
  FILE: kind/name: field.path: message
  warning: FILE: kind/name: field.path: message

  -f, --filename PATH   manifest, directory or - for standard input; may be repeated, and more may follow
      --services PATH   services that are there already: for conflicts of hosts and ports, and for Pods; may be repeated
  -n, --namespace NS    namespace of objects that name none (default: default)
      --config FILE     configuration of the installation (base domain, grants of hosts, reserved ports)

Exit code 0 where there are warnings at most, else 1.

examples:
  frp-k8s validate -f manifests/
  kustomize build . | frp-k8s validate -f -
`;

interface Report {
  errors: string[];
  warnings: string[];
}

export async function run(args: string[]): Promise<number> {
  const options = parseOptions(
    'validate',
    args,
    {
      filename: { type: 'string', short: 'f', multiple: true, default: [] },
      services: { type: 'string', multiple: true, default: [] },
      namespace: { type: 'string', short: 'n', default: 'default' },
      config: { type: 'string' },
    },
    'positionals',
  );
  const files = [...options.values.filename, ...options.positionals];
  if (files.length === 0) throw new UserError('validate: -f FILE is missing (- reads standard input); see frp-k8s validate --help');
  const config = loadConfig(options.values.config, process.env);
  const documents = readManifests(files);
  const others = readManifests(options.values.services);
  const objects = documents.flatMap(objectsOf);
  const input = workset(documents, others, config, options.values.namespace);

  const reports = [...checkServices(objects, others.flatMap(objectsOf), config, options.values.namespace)];
  for (const object of objects.filter(({ value }) => value.kind !== serviceKind)) {
    const template = podTemplateOf(object.value);
    const { disabled, ...context } = input.contextOf(object);
    if (!template || disabled) continue;
    const decision = decidePod(template.pod, context);
    const at = (template.pointer === '' ? 'metadata' : `${template.pointer.slice(1).replaceAll('/', '.')}.metadata`) + '.annotations';
    const line = (message: string) => `${where(object)}: ${at}: ${message}`;
    // The service may be in the cluster already: only here is that no error.
    const unknown = decision.reason === 'UnknownGroup';
    reports.push({
      errors: decision.outcome === 'denied' && !unknown ? [line(decision.message)] : [],
      warnings: [...decision.warnings, ...(unknown ? [`${decision.message}; name its file with --services to check this Pod`] : [])].map(
        line,
      ),
    });
  }
  const errors = reports.flatMap((report) => report.errors);
  const warnings = reports.flatMap((report) => report.warnings).map((line) => `warning: ${line}`);
  process.stdout.write([...errors, ...warnings].map((line) => `${line}\n`).join(''));
  return errors.length > 0 ? 1 : 0;
}

const where = ({ document, value }: ManifestObject) => `${document.file}: ${nameOf(value)}`;

/** In the order of the input, as applying it would: of two services with one host, the second is told. */
function checkServices(objects: readonly ManifestObject[], others: readonly ManifestObject[], config: Config, namespace: string): Report[] {
  const store = new ServiceStore();
  const claims = new Claims(store, config);
  const add = ({ value }: ManifestObject) => {
    const service = defaulted(value) as unknown as DistributedService;
    store.set({ ...service, metadata: { ...service.metadata, namespace: metadataOf(value).namespace ?? namespace } });
  };
  others.filter(isService).forEach(add);
  return objects.filter(isService).map((object) => {
    const { findings, warnings } = validateOffline(object.value, { config, claims, namespace });
    if (findings.length === 0) add(object);
    const line = (text: string) => `${where(object)}: ${text}`;
    return { errors: findings.map((finding) => line(describeFinding(finding))), warnings: warnings.map(line) };
  });
}

const isService = ({ value }: ManifestObject): boolean => value.kind === serviceKind && String(value.apiVersion).startsWith(`${group}/`);
