/** What the demo sends: a service as a person writes it, Pods as a Deployment makes them, and two mistakes. */
import { apiVersion, kind } from '../model/names.ts';

const namespace = 'ai-services';

/** The Ollama sample without its authentication, which needs the gateway. */
export const service = {
  apiVersion,
  kind,
  metadata: { name: 'ollama-cluster', namespace },
  spec: {
    serviceType: 'http',
    backends: { discovery: { mode: 'selector', selector: { matchLabels: { app: 'ollama', tier: 'inference' } }, port: 11434 } },
    expose: { type: 'domain', domain: 'llm.example.com', path: '/v1' },
    loadBalancing: { healthCheck: { path: '/api/health', interval: '30s', timeout: '10s' } },
    security: { mtls: { enabled: true } },
    advanced: { connectionPool: { size: 10 }, timeout: { keepAlive: '300s' } },
  },
};

export const wrongService = {
  ...service,
  metadata: { name: 'chat', namespace },
  spec: {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto', namespace: 'other' } },
    expose: { type: 'subdomain' },
    loadBalancing: { healthCheck: { interval: '5s', timeout: '9s' } },
  },
};

export const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    generateName: 'ollama-6d5f9c7b8-',
    namespace,
    labels: { app: 'ollama', tier: 'inference' },
    annotations: { 'frp.io/group': 'ollama-cluster' },
  },
  spec: { containers: [{ name: 'ollama', image: 'ollama/ollama:0.5', ports: [{ containerPort: 11434 }] }] },
};

export const wrongPod = { ...pod, metadata: { ...pod.metadata, annotations: { 'frp.io/group': 'olama-cluster' } } };
