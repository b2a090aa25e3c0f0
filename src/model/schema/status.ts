/** `status`: what the controller observed. */
export const statusSchema = {
  type: 'object',
  description: 'What the controller observed. Written by the controller only.',
  properties: {
    state: {
      type: 'string',
      enum: ['Pending', 'Provisioning', 'Running', 'Updating', 'Degraded', 'Failed', 'Terminating'],
      description: 'Phase of the lifecycle.',
    },
    conditions: {
      type: 'array',
      maxItems: 16,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      description: 'Facts about the service, one for each type.',
      items: {
        type: 'object',
        required: ['type', 'status'],
        description: 'One condition.',
        properties: {
          type: {
            type: 'string',
            enum: [
              'Ready',
              'BackendsAvailable',
              'ConfigurationValid',
              'CertificatesReady',
              'NetworkReady',
              'LinkReady',
              'SpecDiffers',
              'TunnelsRefused',
              'ClusterServiceReady',
            ],
            description: 'What the condition is about.',
          },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'], description: 'Whether it holds.' },
          lastTransitionTime: { type: 'string', format: 'date-time', description: 'When `status` last changed.' },
          reason: { type: 'string', maxLength: 1024, description: 'Why, as one word.' },
          message: { type: 'string', maxLength: 32768, description: 'Why, as a sentence.' },
          observedGeneration: { type: 'integer', minimum: 0, description: 'Generation that the condition was computed from.' },
        },
      },
    },
    activeBackends: { type: 'integer', description: 'Number of backends that users have, at one of their ports or hosts at least.' },
    totalBackends: { type: 'integer', description: 'Number of backends.' },
    selector: { type: 'string', maxLength: 4096, description: 'Label selector of the connector Pods, for the scale subresource.' },
    endpoints: {
      type: 'array',
      maxItems: 100,
      description: 'Backends whose health is known, at most 100.',
      items: {
        type: 'object',
        description: 'One endpoint.',
        properties: {
          name: { type: 'string', maxLength: 512, description: 'Name of the Pod, or of the endpoint.' },
          address: { type: 'string', maxLength: 253, description: 'Address.' },
          port: { type: 'integer', description: 'Port.' },
          healthy: { type: 'boolean', description: 'Whether it serves.' },
          reason: { type: 'string', maxLength: 1024, description: 'Why it does not, where that is known: `GET /health answered 404`.' },
          lastCheck: { type: 'string', format: 'date-time', description: 'When its health last changed.' },
        },
      },
    },
    externalEndpoint: { type: 'string', maxLength: 2048, description: 'Where users reach the service.' },
    ports: {
      type: 'array',
      maxItems: 32,
      description: 'Ports that were picked for those of `spec.expose` that are 0.',
      items: {
        type: 'object',
        required: ['port'],
        description: 'One port.',
        properties: {
          name: { type: 'string', maxLength: 15, description: 'Its name in `spec.expose.ports`; absent for `spec.expose.port`.' },
          port: { type: 'integer', description: 'Port at which users reach it.' },
        },
      },
    },
    clusterService: {
      type: 'object',
      description: 'The Service that `spec.expose.clusterService` asks for.',
      properties: {
        name: { type: 'string', maxLength: 63, description: 'Its name.' },
        port: { type: 'integer', description: 'Its port.' },
        gatewayPort: { type: 'integer', description: "Port of the gateway's Pods that it leads to, which is this service's alone." },
      },
    },
    observedGeneration: { type: 'integer', description: 'Last generation that the controller acted on.' },
    lastUpdateTime: { type: 'string', format: 'date-time', description: 'When the status last changed.' },
  },
} as const;
