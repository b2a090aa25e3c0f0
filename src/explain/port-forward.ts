/** A stream to a port of a Pod's loopback, by the API server: as `kubectl port-forward`, for one connection. */
import { Duplex } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
// Not the package's own port forward, which loads its generated models.
import { WebSocketHandler } from '@kubernetes/client-node/dist/web-socket-handler.js';

export class PortForwardError extends Error {
  /** `Forbidden`: the right is missing, and the message names it */
  readonly code: 'Forbidden' | 'Failed';

  constructor(code: 'Forbidden' | 'Failed', message: string) {
    super(message);
    this.code = code;
  }
}

/** What is used of a WebSocket; its package has no types. */
interface Socket {
  send: (data: Buffer) => void;
  close: () => void;
  onclose: () => void;
}

/** Channels of the WebSocket: data and errors of the first port, each beginning with the port in two bytes. */
const dataChannel = 0;
const errorChannel = 1;

/** @throws PortForwardError */
export async function portForward(kubeConfig: KubeConfig, namespace: string, pod: string, port: number): Promise<Duplex> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward?ports=${port}`;
  const seen = new Set<number>();
  let socket: Socket | undefined;
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      socket?.send(Buffer.concat([Buffer.of(dataChannel), chunk]));
      done();
    },
    final(done) {
      done();
    },
    destroy(error, done) {
      socket?.close();
      done(error);
    },
  });
  const take = (channel: number, data: Buffer): boolean => {
    const isFirst = !seen.has(channel);
    seen.add(channel);
    const rest = isFirst ? data.subarray(2) : data;
    if (channel === dataChannel && rest.length > 0) stream.push(rest);
    if (channel === errorChannel && rest.length > 0)
      stream.destroy(new Error(`port ${port} of Pod ${namespace}/${pod}: ${rest.toString()}`));
    return true;
  };
  try {
    const opened = (await new WebSocketHandler(kubeConfig).connect(path, null, take)) as unknown as Socket;
    opened.onclose = () => stream.push(null);
    socket = opened;
  } catch (error) {
    const { message = '' } = error as { message?: string };
    throw /\b403\b/.test(message)
      ? new PortForwardError('Forbidden', `create and get pods/portforward in namespace ${namespace}`)
      : new PortForwardError('Failed', `Pod ${namespace}/${pod} cannot be reached by way of the API server: ${message}`);
  }
  return stream;
}
