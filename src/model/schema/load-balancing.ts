/** `spec.loadBalancing`: how traffic is spread, and which backends are fit for it. */
import { seconds } from './parts.ts';

export const loadBalancing = {
  type: 'object',
  description: 'How traffic is spread over the backends, and which of them are fit for it.',
  properties: {
    algorithm: {
      type: 'string',
      enum: ['random', 'round-robin', 'least-conn', 'weighted', 'ip-hash'],
      default: 'random',
      description: 'Choice of backend. A plain frp server decides this by itself (http: round-robin); the gateway honours all five.',
    },
    sessionAffinity: {
      type: 'object',
      description: 'Keeps a client on one backend. Needs the gateway.',
      properties: {
        enabled: { type: 'boolean', default: false, description: 'Whether a client stays on one backend.' },
        timeout: {
          type: 'string',
          maxLength: 10,
          pattern: '^([0-9]{1,7}s|[0-9]{1,5}m|[0-9]{1,4}h)$',
          default: '1h',
          description: 'How long a client is remembered; for serviceType tcp and grpc at most 24 days.',
        },
        cookieName: {
          type: 'string',
          minLength: 1,
          maxLength: 128,
          pattern: '^[A-Za-z0-9_.-]+$',
          default: 'frp-session',
          description: 'Name of the cookie (http).',
        },
      },
    },
    healthCheck: {
      type: 'object',
      description: 'Active check of each backend; a failing backend leaves the traffic.',
      properties: {
        enabled: { type: 'boolean', default: true, description: 'Whether backends are checked.' },
        type: {
          type: 'string',
          enum: ['tcp', 'http', 'https', 'grpc'],
          description: 'Kind of check. Default: http for serviceType http, else tcp.',
        },
        path: {
          type: 'string',
          minLength: 1,
          maxLength: 1024,
          pattern: '^/[!-~]*$',
          default: '/health',
          description: 'Path that must answer with a 2xx status, or with a redirect (http, https).',
        },
        interval: { type: 'string', maxLength: 10, pattern: seconds, default: '10s', description: 'Time between two checks.' },
        timeout: {
          type: 'string',
          maxLength: 10,
          pattern: seconds,
          default: '3s',
          description: 'Time after which a check has failed; below `interval`.',
        },
        successThreshold: {
          type: 'integer',
          minimum: 1,
          maximum: 1000,
          default: 1,
          description: 'Successes before a backend is taken in again. Needs the gateway.',
        },
        failureThreshold: {
          type: 'integer',
          minimum: 1,
          maximum: 1000,
          default: 3,
          description:
            'Failures in a row before a backend is taken out. frpc up to 0.71.0 counts them all since its start (plain frp server).',
        },
      },
    },
  },
} as const;
