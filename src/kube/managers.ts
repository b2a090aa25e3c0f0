/** Field managers: in whose name this program writes (KEP-555). Each writer owns only the fields that it applies. */
export const fieldManager = {
  controller: 'frp-k8s-controller',
  gateway: 'frp-k8s-gateway',
  /** caBundle of the webhook configurations, and nothing else of them */
  caBundle: 'frp-k8s-ca',
} as const;

/** Name of both webhook configurations of the installation. */
export const webhookConfigurationName = 'frp-k8s';
