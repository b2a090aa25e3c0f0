/** `spec.advanced`: tuning of the tunnel. */
import { seconds } from './parts.ts';

export const advanced = {
  type: 'object',
  description: 'Tuning of the tunnel.',
  properties: {
    connectionPool: {
      type: 'object',
      description: 'Connections that are opened ahead of use.',
      properties: {
        enabled: { type: 'boolean', default: true, description: 'false means a pool of 0.' },
        size: {
          type: 'integer',
          minimum: 1,
          maximum: 100,
          default: 5,
          description: 'Number of connections; the frp server caps it at its maxPoolCount.',
        },
        idleTimeout: {
          type: 'string',
          maxLength: 10,
          pattern: seconds,
          default: '90s',
          description: 'Idle time of a connection. Needs the gateway.',
        },
      },
    },
    bandwidth: {
      type: 'object',
      description: 'Bandwidth limit of each backend.',
      properties: {
        limit: { type: 'string', maxLength: 12, pattern: '^[0-9]+(MB|KB|GB)$', description: 'Bytes a second; 1 MB is 1024 KB.' },
        mode: { type: 'string', enum: ['client', 'server'], default: 'client', description: 'Which end enforces the limit.' },
      },
    },
    timeout: {
      type: 'object',
      description: 'Timeouts of the connection to the frp server, and of requests.',
      properties: {
        dial: { type: 'string', maxLength: 10, pattern: seconds, default: '10s', description: 'Time to connect.' },
        keepAlive: {
          type: 'string',
          maxLength: 10,
          pattern: seconds,
          default: '30s',
          description: 'TCP keepalive interval; the gateway also takes it as idle time of a request, where nothing else says it.',
        },
        request: {
          type: 'string',
          maxLength: 10,
          pattern: seconds,
          description:
            'Time that the app may take to begin its answer, and between two parts of it; then the user gets 504, and nobody tries again. Default: 10m where the Pods have profile `ollama`, else keepAlive, after which another backend is tried. Needs the gateway.',
        },
      },
    },
    compression: { type: 'boolean', default: false, description: 'Whether answers are compressed. Needs the gateway.' },
    retry: {
      type: 'object',
      description: 'Retry of requests on another backend. Needs the gateway.',
      properties: {
        enabled: { type: 'boolean', default: true, description: 'Whether requests are retried.' },
        maxAttempts: { type: 'integer', minimum: 1, maximum: 100, default: 3, description: 'Attempts in all.' },
        nonIdempotent: {
          type: 'boolean',
          default: false,
          description: 'Whether requests that may change something (POST, PATCH) are sent again after a backend received them.',
        },
        backoff: {
          type: 'string',
          enum: ['constant', 'exponential', 'linear'],
          default: 'exponential',
          description:
            'Growth of the pause between attempts. The gateway does not apply it: another backend is tried at once, the same one after a second.',
        },
      },
    },
  },
} as const;
