/** What the chart's values change in the NetworkPolicies of manifests/network-policies. */
import type { Edit, Json, Manifest, Template } from './template.ts';

interface Rule extends Manifest {
  ports: { protocol: string; port: number }[];
}

const rulesOf = (object: Manifest, direction: 'ingress' | 'egress'): Rule[] => (object.spec as Manifest)[direction] as Rule[];

/** The rule with such a port. @throws Error where the manifest has none: then the chart would say what it does not do */
function ruleOf(object: Manifest, direction: 'ingress' | 'egress', port: number): Rule {
  const found = rulesOf(object, direction).find(({ ports }) => Array.isArray(ports) && ports.some((each) => each.port === port));
  if (!found) throw new Error(`NetworkPolicy ${(object.metadata as Manifest).name as string} has no rule of ${direction} for port ${port}`);
  return found;
}

function toApiServer(object: Manifest, template: Template): void {
  const rule: Manifest = ruleOf(object, 'egress', 6443);
  rule.ports = template.block('.Values.networkPolicy.apiServer.ports');
  rule.to = template.optional('.Values.networkPolicy.apiServer.peers');
}

function toDns(object: Manifest, template: Template): void {
  const rule: Manifest = ruleOf(object, 'egress', 53);
  rule.ports = template.block('.Values.networkPolicy.dns.ports');
  rule.to = template.optional('.Values.networkPolicy.dns.peers');
}

const fromAnywhere = (object: Manifest, template: Template, port: number, values: string): void => {
  (ruleOf(object, 'ingress', port) as Manifest).from = template.optional(`.Values.networkPolicy.${values}`);
};

const moreEgress = (object: Manifest, template: Template, values: string): void =>
  void (rulesOf(object, 'egress') as Json[]).push(template.more(`.Values.networkPolicy.${values}`));

/** By kind and name. */
export const networkPolicyEdits: Readonly<Record<string, Edit>> = {
  'NetworkPolicy frp-webhook': (object, template) => {
    fromAnywhere(object, template, 8443, 'apiServer.peers');
    toApiServer(object, template);
  },
  'NetworkPolicy frp-controller-egress': (object, template) => {
    toApiServer(object, template);
    toDns(object, template);
    // Where they dial is the configuration's to say: the tunnel port of a gateway, or an frps at a port of its own.
    (ruleOf(object, 'egress', 7000) as Manifest).ports = template.block('include "frp-k8s.tunnelPorts" . | fromYamlArray');
    moreEgress(object, template, 'controllerEgress');
  },
  'NetworkPolicy frp-gateway': (object, template) => {
    fromAnywhere(object, template, 7000, 'tunnelsFrom');
    toApiServer(object, template);
    toDns(object, template);
    // Public keys of issuers, wherever they are: with addresses of the API server this is no part of that rule.
    (rulesOf(object, 'egress') as Json[]).push(
      template.only('.Values.networkPolicy.apiServer.peers', { ports: [{ protocol: 'TCP', port: 443 }] }),
    );
    moreEgress(object, template, 'gatewayEgress');
  },
  'NetworkPolicy frp-server': (object, template) => fromAnywhere(object, template, 7000, 'tunnelsFrom'),
};

const everyPart = 'and .Values.networkPolicy.enabled .Values.networkPolicy.everyPart';

/** On which condition they are there. */
export const networkPolicyConditions: Readonly<Record<string, string>> = {
  'NetworkPolicy frp-webhook': everyPart,
  'NetworkPolicy frp-controller-egress': everyPart,
  'NetworkPolicy frp-gateway': `${everyPart} .Values.gateway.enabled`,
  'NetworkPolicy frp-server': `${everyPart} .Values.frpServer.enabled`,
};
