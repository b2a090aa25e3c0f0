/** `spec.metrics`: a page of each backend's own. */
export const metrics = {
  type: 'object',
  description:
    'A page at which each backend tells of the model that it serves. The gateway asks it every 15 s through the tunnel, and passes on what docs/reference/metrics.md lists. For http services. Needs the gateway.',
  properties: {
    format: {
      type: 'string',
      enum: ['prometheus', 'ollama'],
      default: 'prometheus',
      description:
        'prometheus: text of vLLM, SGLang or the server of llama.cpp. ollama: which models are loaded; it has no such page for the rest.',
    },
    path: {
      type: 'string',
      minLength: 1,
      maxLength: 256,
      pattern: '^/[A-Za-z0-9._~/-]*$',
      description: 'Path of the page, at the port that takes users. Default: `/metrics`; of format ollama `/api/ps`.',
    },
  },
} as const;
