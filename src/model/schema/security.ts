/** `spec.security`: identity of the tunnel, and who may use the service. */
import { secretName } from './parts.ts';

export const security = {
  type: 'object',
  description: 'Identity of the tunnel, and who may use the service.',
  properties: {
    mtls: {
      type: 'object',
      description: 'Client certificate of the tunnel. The tunnel is always mTLS; this says where the certificate comes from.',
      properties: {
        enabled: { type: 'boolean', default: false, description: 'false or absent means mode `auto`.' },
        mode: {
          type: 'string',
          enum: ['auto', 'manual', 'external'],
          default: 'auto',
          description: 'Certificate management: own CA, your Secrets, or cert-manager.',
        },
        caSecret: secretName('Secret with the CA that issued the client certificate (mode `manual`).'),
        certSecret: secretName('Secret with the client certificate, keys tls.crt and tls.key (mode `manual`).'),
        certRotation: {
          type: 'object',
          description: 'Renewal of the client certificate.',
          properties: {
            enabled: { type: 'boolean', default: true, description: 'Whether the certificate is renewed before it expires.' },
            beforeExpiry: {
              type: 'string',
              maxLength: 10,
              pattern: '^[0-9]{1,4}(d|h)$',
              default: '7d',
              description: 'How long before its expiry; shorter than its lifetime.',
            },
          },
        },
      },
    },
    authentication: {
      type: 'object',
      description: 'Who may use the service. Needs the gateway.',
      properties: {
        type: {
          type: 'string',
          enum: ['none', 'token', 'oauth2', 'apikey'],
          default: 'none',
          description: 'Kind of credential that users present.',
        },
        tokenSecret: secretName('Secret with the credentials; it carries the label frp.io/use: "true".'),
      },
    },
    rateLimit: {
      type: 'object',
      description: 'Limits for each user address. Needs the gateway.',
      properties: {
        requestsPerSecond: {
          type: 'integer',
          minimum: 1,
          maximum: 1000000,
          description: 'Requests a second (http, grpc) or connections a second (tcp), over ten seconds.',
        },
        connections: { type: 'integer', minimum: 1, maximum: 1000000, description: 'Connections at a time.' },
      },
    },
    authorization: {
      type: 'object',
      description: 'What an authenticated user may do. Needs the gateway.',
      properties: {
        enabled: { type: 'boolean', default: false, description: 'Whether the rules are enforced.' },
        rules: {
          type: 'array',
          maxItems: 128,
          description: 'A path that is matched needs a rule that lists method and role.',
          items: {
            type: 'object',
            description: 'One rule.',
            properties: {
              path: {
                type: 'string',
                minLength: 1,
                maxLength: 1024,
                pattern: '^/[!-~]*$',
                description: 'Path; `*` stands for any text.',
              },
              methods: {
                type: 'array',
                maxItems: 5,
                items: { type: 'string', enum: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'], description: 'HTTP method.' },
                description: 'Methods that the rule allows.',
              },
              roles: {
                type: 'array',
                maxItems: 64,
                items: { type: 'string', minLength: 1, maxLength: 253, description: 'Role name.' },
                description: 'Roles that the rule allows.',
              },
            },
          },
        },
      },
    },
  },
} as const;
