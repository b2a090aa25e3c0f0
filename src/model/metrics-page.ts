/** `spec.metrics`: where a backend tells of itself. */
import type { DistributedServiceSpec } from './types.ts';

export interface MetricsPage {
  format: 'prometheus' | 'ollama';
  path: string;
}

/** Undefined where the service has none. @param spec that may come from anywhere */
export function metricsPageOf({ serviceType, metrics }: Partial<DistributedServiceSpec>): MetricsPage | undefined {
  if (serviceType !== 'http' || metrics === undefined) return undefined;
  const { format = 'prometheus', path = format === 'ollama' ? '/api/ps' : '/metrics' } = metrics;
  return { format, path };
}
