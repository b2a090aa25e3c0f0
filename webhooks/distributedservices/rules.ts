/** Every rule of the validating webhook, in the order in which findings are told. */
import { backendRules, backendWarnings } from './backends.ts';
import { checkRules, checkWarnings } from './checks.ts';
import { clusterServiceRules, clusterServiceWarnings } from './cluster-service.ts';
import { corsRules, corsWarnings } from './cors.ts';
import { exposureRules, exposureWarnings } from './exposure.ts';
import { gatewayRules, gatewayWarnings } from './gateway.ts';
import { headerRules, headerWarnings } from './headers.ts';
import { healthRules, healthWarnings } from './health.ts';
import { plainWarnings } from './plain.ts';
import { portsRules, portsWarnings } from './ports.ts';
import { readWriteRules, readWriteWarnings } from './read-write.ts';
import { timeoutWarnings } from './timeouts.ts';
import type { Rule } from './rule.ts';
import { securityRules, securityWarnings } from './security.ts';

export const errorRules: readonly Rule[] = [
  ...backendRules,
  ...exposureRules,
  ...portsRules,
  ...healthRules,
  ...checkRules,
  ...securityRules,
  ...corsRules,
  ...gatewayRules,
  ...headerRules,
  ...clusterServiceRules,
  ...readWriteRules,
];
export const warningRules: readonly Rule[] = [
  ...backendWarnings,
  ...exposureWarnings,
  ...portsWarnings,
  ...healthWarnings,
  ...checkWarnings,
  ...securityWarnings,
  ...corsWarnings,
  ...plainWarnings,
  ...gatewayWarnings,
  ...headerWarnings,
  ...timeoutWarnings,
  ...clusterServiceWarnings,
  ...readWriteWarnings,
];
