/**
 * Who may import whom: a folder imports what its line lists, and itself. Every line that holds a file applies to it, so the
 * parts of a program are bound by the program's line too. cli and main.ts, which have none, may import everything.
 */
const values = ['src/closest.ts', 'src/documentation.ts', 'src/errors.ts', 'src/log.ts', 'src/version.ts', 'src/manifests', 'package.json'];
const base = ['src/model', 'src/config', 'src/net', 'certs', ...values];
const gatewayValues = ['src/kube', 'src/link', 'src/gateway/pod-identity.ts', 'src/frp', 'src/process', ...base];
const controllerValues = [
  'src/kube',
  'src/link',
  'src/controller/problem.ts',
  'src/controller/gateway-place.ts',
  'src/controller/ownership.ts',
  'src/controller/owned-objects.ts',
  'src/frp',
  'webhooks',
  ...base,
];

const layers = {
  certs: [],
  'src/net': [],
  'src/config': ['src/net', ...values],
  'src/model': ['src/config', 'src/net', ...values],
  'src/kube': base,
  'src/frp': ['src/model', 'src/config', 'src/net'],
  'src/process': values,
  'src/link': ['src/config', 'src/model', 'src/net', 'certs', ...values],
  webhooks: ['src/frp', 'src/model', 'src/config', 'src/net', 'certs', ...values],

  'src/monitoring': ['src/documentation.ts'],
  'src/explain': ['src/diagnose', 'src/gateway/api', 'src/gateway/up', 'webhooks', 'src/frp', 'src/kube', 'src/link', ...base],
  'src/page': ['src/explain', 'src/diagnose', 'src/gateway/api', 'src/kube', ...base],
  'src/bundle': ['src/explain', 'src/diagnose', 'src/gateway/api', 'src/gateway/up', 'src/kube', ...base],
  'src/diagnose': ['webhooks', 'src/frp', 'src/kube', 'src/link', ...base],

  'src/migrate': ['webhooks', ...base],
  'src/webhook': ['webhooks', 'src/frp', 'src/process', 'src/kube', ...base],

  'src/controller': ['src/link', 'src/frp', 'src/process', 'webhooks', 'src/kube', ...base],
  'src/controller/backends': controllerValues,
  'src/controller/link': ['src/controller/backends', ...controllerValues],
  'src/controller/status': ['src/controller/backends', ...controllerValues],
  'src/controller/identity': ['src/controller/link', 'src/controller/status', ...controllerValues],
  'src/controller/cert-manager': ['src/controller/identity', 'src/controller/keys.ts', ...controllerValues],
  'src/controller/cluster-service': controllerValues,
  'src/controller/connectors': ['src/controller/identity', 'src/controller/status', 'src/controller/backends', ...controllerValues],
  'src/controller/gateway-secrets': ['src/controller/identity', 'src/controller/status', ...controllerValues],
  'src/controller/lifecycle': ['src/controller/identity', 'src/controller/status', ...controllerValues],

  'src/gateway': ['webhooks', 'src/link', 'src/frp', 'src/process', 'src/kube', ...base],
  'src/gateway/oidc': gatewayValues,
  'src/gateway/sources': ['webhooks', 'src/gateway/oidc', ...gatewayValues],
  'src/gateway/members': gatewayValues,
  'src/gateway/admission': ['src/gateway/members', 'src/gateway/sources', 'src/gateway/oidc', ...gatewayValues],
  'src/gateway/ir': ['src/gateway/members', 'src/gateway/sources', 'src/gateway/oidc', ...gatewayValues],
  'src/gateway/haproxy/config': ['src/gateway/ir', 'src/link', 'src/model', 'src/config', 'src/net', 'certs'],
  'src/gateway/haproxy/runtime': ['src/gateway/haproxy/config', 'src/gateway/ir', ...gatewayValues],
  'src/gateway/haproxy': ['src/gateway/ir', ...gatewayValues],
  'src/gateway/api': ['src/gateway/haproxy', 'src/gateway/ir', 'src/gateway/members', ...gatewayValues],
  'src/gateway/telemetry': ['src/gateway/haproxy', 'src/gateway/ir', 'src/gateway/members', 'src/gateway/admission', ...gatewayValues],
  'src/gateway/replicas': ['src/gateway/haproxy', 'src/gateway/api', 'src/gateway/telemetry', 'src/gateway/ir', ...gatewayValues],
};

const roots = ['src', 'webhooks', 'certs'];

/** Zones of import-x/no-restricted-paths (paths in `except` are relative to `from`). */
export const zones = Object.entries(layers).flatMap(([folder, allowed]) =>
  roots.map((root) => ({
    target: `./${folder}`,
    from: `./${root}`,
    except: [folder, ...allowed]
      .filter((path) => path === root || path.startsWith(`${root}/`))
      .map((path) => path.slice(root.length + 1) || '.'),
    message: `${folder} may import: ${allowed.join(', ') || 'nothing else'} (eslint.layers.js).`,
  })),
);
