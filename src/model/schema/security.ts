/** `spec.security`: identity of the tunnel, and who may use the service. */
import { headerNames, secretName } from './parts.ts';

/** A character of a path that stands for itself, or an encoded one. What no request has is for the webhook to say. */
const pathText = '([!-$&-)+-~]|%[0-9a-fA-F]{2})';

const method = {
  type: 'string',
  enum: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'],
  description: 'HTTP method.',
} as const;

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
          enum: ['none', 'token', 'oauth2', 'apikey', 'basic'],
          default: 'none',
          description: 'Kind of credential that users present.',
        },
        tokenSecret: secretName('Secret with the credentials; it carries the label frp.io/use: "true".'),
      },
    },
    cors: {
      type: 'object',
      required: ['allowOrigins'],
      description:
        'Which pages of other origins may read answers in a browser (CORS). The gateway answers preflights before authentication, without a backend. Needs the gateway.',
      properties: {
        allowOrigins: {
          type: 'array',
          maxItems: 32,
          items: {
            type: 'string',
            minLength: 1,
            maxLength: 253,
            pattern: '^(\\*|[a-z][a-z0-9+.-]*://(\\*\\.)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5})?)$',
            description: 'Scheme, host and port as a browser writes them; `https://*.example.com` is every name below, `*` everybody.',
          },
          description: 'Origins whose pages may read answers.',
        },
        allowMethods: {
          type: 'array',
          maxItems: 7,
          items: method,
          default: ['GET', 'HEAD', 'POST'],
          description: 'Methods that they may use.',
        },
        allowHeaders: {
          type: 'array',
          maxItems: 32,
          items: {
            type: 'string',
            minLength: 1,
            maxLength: 64,
            pattern: '^(\\*|[A-Za-z0-9_-]+)$',
            description: 'Name of a header, or `*`.',
          },
          description: 'Headers that they may send, such as Authorization or Content-Type; `*`: all.',
        },
        exposeHeaders: headerNames('Headers of answers that they may read.'),
        allowCredentials: {
          type: 'boolean',
          default: false,
          description: 'Whether a browser sends cookies and may read the answer; not with `*` in allowOrigins.',
        },
        maxAge: {
          type: 'string',
          maxLength: 10,
          pattern: '^[0-9]{1,6}(s|m|h)$',
          default: '10m',
          description: 'How long a browser may remember the answer to a preflight.',
        },
      },
    },
    rateLimit: {
      type: 'object',
      description: 'Limits for each user address, and of IPv6 for each /64. Needs the gateway.',
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
                maxLength: 256,
                pattern: `^/${pathText}*(\\*${pathText}*){0,8}$`,
                description: 'Path, without query and path parameters; `*` stands for any text, up to eight times.',
              },
              methods: {
                type: 'array',
                maxItems: 7,
                items: method,
                description: 'Methods that the rule allows; GET allows HEAD too.',
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
