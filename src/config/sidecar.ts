/** Settings of sidecars that differ by namespace. */
import type { Config } from './schema.ts';

const settings = new WeakMap<object, Config>();

/** The configuration for Pods of a namespace: the same object for the same namespace, as long as the configuration is the same. */
export function configFor(config: Config, namespace: string): Config {
  const entry = config.sidecar.namespaces.find(({ namespaces }) => namespaces.includes(namespace));
  if (!entry) return config;
  const known = settings.get(entry);
  if (known) return known;
  const { namespaces: _, ...own } = entry;
  const made = { ...config, sidecar: { ...config.sidecar, ...own } };
  settings.set(entry, made);
  return made;
}
