/** `spec.expose`: under which address users reach the service. */
import { headerValue, hostHeader, longestHost, longestValue } from '../header-changes.ts';
import { mostPorts } from '../ports.ts';
import { headerNames, host, port, portOrAny, secretName } from './parts.ts';

const changes = (description: string) =>
  ({
    type: 'object',
    description,
    properties: {
      set: {
        type: 'object',
        maxProperties: 16,
        additionalProperties: { type: 'string', minLength: 1, maxLength: longestValue, pattern: headerValue.source },
        description: 'Headers that it has, with these values, in place of any of the same name.',
      },
      remove: headerNames('Headers that are taken out. Needs the gateway.'),
    },
  }) as const;

export const expose = {
  type: 'object',
  description: 'Under which address users reach the service.',
  properties: {
    type: {
      type: 'string',
      enum: ['domain', 'subdomain', 'path', 'port'],
      default: 'domain',
      description: 'By host name, by host name below the base domain, by host name and path, or by port.',
    },
    domain: {
      ...host,
      pattern: '^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
      description: 'Custom domain; `*.example.com` stands for every name below example.com.',
    },
    subdomain: {
      ...host,
      maxLength: 63,
      pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
      description: 'Name below the base domain of the installation (configuration `baseDomain`).',
    },
    path: {
      type: 'string',
      minLength: 1,
      maxLength: 1024,
      pattern: "^/([A-Za-z0-9_.~!$&'()+,=:@/-]|%[0-9a-fA-F]{2})*$",
      description: 'URL path, as in a URL: what is beyond ASCII is encoded (`/caf%C3%A9`).',
    },
    port: portOrAny('Port on the frp server. 0: one that the gateway has free, which the status names.'),
    ports: {
      type: 'array',
      maxItems: mostPorts,
      description: 'Several ports on the frp server, of a tcp or udp service, in place of `port`. Every backend serves all of them.',
      items: {
        type: 'object',
        required: ['name', 'port'],
        description: 'One port.',
        properties: {
          name: {
            type: 'string',
            minLength: 1,
            maxLength: 15,
            pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
            description: 'Name, which no other port of the service has. Tunnels are known by it: one that is renamed is a new port.',
          },
          port: portOrAny('Port on the frp server; 0 as above.'),
          backendPort: port('Port of the backends. Default: `port`; needed where that is 0.'),
          backendPortName: {
            type: 'string',
            minLength: 1,
            maxLength: 15,
            pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
            description: 'Name of a container port of annotated Pods, in place of `backendPort`.',
          },
        },
      },
    },
    hostHeader: {
      type: 'string',
      minLength: 1,
      maxLength: longestHost,
      pattern: hostHeader.source,
      description: 'Host, with a port or without, that the app is asked for in place of the one that users ask for; its health check too.',
    },
    headers: {
      type: 'object',
      description:
        'Headers that are changed on the way to the app and back; those of the connection, and those that tell who the user is, are not.',
      properties: { request: changes('Of requests.'), response: changes('Of answers.') },
    },
    tls: {
      type: 'object',
      description: 'Encryption between users and the gateway. Needs the gateway.',
      properties: {
        secretName: secretName('Secret with tls.crt and tls.key for the host; it carries the label frp.io/use: "true".'),
        issuerRef: {
          type: 'object',
          description:
            'Issuer of cert-manager that makes the certificate for the host; in place of `secretName`. Other than an Issuer of the namespace, an administrator lists it (configuration `certificates.usersIssuers`).',
          required: ['name'],
          properties: {
            name: { type: 'string', minLength: 1, maxLength: 253, description: 'Name of the issuer.' },
            kind: {
              type: 'string',
              enum: ['Issuer', 'ClusterIssuer'],
              default: 'Issuer',
              description: 'Of the namespace, or of the cluster.',
            },
            group: { type: 'string', minLength: 1, maxLength: 253, default: 'cert-manager.io', description: 'API group of the issuer.' },
          },
        },
        redirect: { type: 'boolean', default: false, description: 'Whether requests without TLS are sent to https.' },
      },
    },
    clusterService: {
      type: 'object',
      description:
        'A Service of type ClusterIP in the namespace that leads to the service through the gateway: for Pods, an Ingress, a route or a mesh. Needs a gateway in the cluster; `{}` is enough.',
      properties: {
        name: {
          type: 'string',
          minLength: 1,
          maxLength: 63,
          pattern: '^[a-z]([-a-z0-9]*[a-z0-9])?$',
          description: 'Name of the Service. Default: that of the DistributedService.',
        },
        port: port('Port of the Service. Default: `port` where users come by port, else 80, or 443 where clients speak TLS.'),
      },
    },
    proxyProtocol: {
      type: 'string',
      enum: ['v1', 'v2'],
      description: "Version of the PROXY protocol that backends are sent, with the user's address. Needs the gateway.",
    },
  },
} as const;
