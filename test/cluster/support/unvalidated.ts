import { apply, get, kubectl } from './kubectl.ts';

/** Stores something as while the webhooks were not asked. */
export async function unvalidated(store: () => Promise<unknown>): Promise<void> {
  const kind = 'validatingwebhookconfiguration';
  const { apiVersion, metadata, webhooks, ...rest } = await get('', kind, 'frp-k8s');
  const { labels, annotations } = metadata as { labels: Record<string, string>; annotations: Record<string, string> };
  await kubectl('delete', kind, 'frp-k8s');
  try {
    await store();
  } finally {
    await apply({ apiVersion: String(apiVersion), kind: String(rest.kind), metadata: { name: 'frp-k8s', labels, annotations }, webhooks });
  }
}
