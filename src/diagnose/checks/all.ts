/** Every check, in the order in which they are asked and told: one that rests on another comes after it. */
import type { Check } from '../finding.ts';
import { certificateChecks, gatewayNamesCheck } from './certificates.ts';
import { clusterChecks } from './cluster.ts';
import { gatewayChecks } from './gateways.ts';
import { injectionChecks } from './injection.ts';
import { installationChecks } from './installation.ts';
import { observabilityChecks } from './observability.ts';
import { serviceChecks } from './services.ts';
import { tunnelChecks } from './tunnels.ts';
import { webhookChecks } from './webhooks.ts';

export const allChecks: readonly Check[] = [
  ...clusterChecks,
  ...installationChecks,
  ...certificateChecks,
  ...webhookChecks,
  ...injectionChecks,
  ...serviceChecks,
  ...tunnelChecks,
  ...gatewayChecks,
  gatewayNamesCheck,
  ...observabilityChecks,
];
