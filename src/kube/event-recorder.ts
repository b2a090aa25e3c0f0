/** Writes Events about objects. */

import type { StatusReason } from '../model/reasons/status.ts';
import { createHash } from 'node:crypto';
import type { Log } from '../log.ts';
import type { KubeClient } from './client.ts';
import { isAlreadyExists } from './errors.ts';
import { fieldManager } from './managers.ts';
import { type KubeObject, type KubeEvent, events } from './types.ts';

export interface EventText {
  type: 'Normal' | 'Warning';
  reason: StatusReason;
  message: string;
  /** which part of the controller saw it (B1.27: never the name of another product) */
  component: string;
}

/** The same of any object. */
export async function tellOf(client: KubeClient, log: Log, about: Required<KubeObject>, texts: readonly EventText[]): Promise<void> {
  for (const { type, reason, message, component } of texts) {
    const { name, namespace = 'default', uid = '', resourceVersion = '' } = about.metadata;
    const hash = createHash('sha256').update([uid, resourceVersion, reason, message].join('\n')).digest('hex').slice(0, 16);
    const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const event: KubeEvent = {
      metadata: { name: `${name}.${hash}`, namespace },
      involvedObject: { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid, resourceVersion },
      type,
      reason,
      message,
      source: { component },
      reportingComponent: component,
      reportingInstance: component,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    try {
      await client.create(events, event, fieldManager.controller);
    } catch (error) {
      if (!isAlreadyExists(error)) log.warn({ err: error, reason }, 'an Event could not be written');
    }
  }
}
