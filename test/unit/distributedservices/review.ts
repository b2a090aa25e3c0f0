/** Admission requests for tests. */
import type { AdmissionRequest } from '../../../webhooks/review/types.ts';
import { objectAt, type JsonObject } from '../../../src/model/json.ts';

const frame = {
  uid: '1',
  kind: { group: 'frp.io', version: 'v1beta1', kind: 'DistributedService' },
  resource: { group: 'frp.io', version: 'v1beta1', resource: 'distributedservices' },
};

export function createOf(object: unknown): AdmissionRequest {
  return { ...frame, operation: 'CREATE', namespace: namespaceOf(object), object };
}

export function updateOf(oldObject: JsonObject, object: unknown): AdmissionRequest {
  return { ...frame, operation: 'UPDATE', namespace: namespaceOf(object), object, oldObject };
}

function namespaceOf(object: unknown): string {
  const { namespace } = objectAt(object, 'metadata') ?? {};
  return typeof namespace === 'string' ? namespace : 'default';
}
