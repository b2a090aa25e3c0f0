/** A watch as `kubectl get --watch` has it, for tests of what was ever there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Change {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  name: string;
  /** another object of the name has another one */
  uid: string;
  /** of Secrets and ConfigMaps, as JSON in the order of its keys; otherwise empty */
  data: string;
}

const columns = ['.type', '.object.metadata.name', '.object.metadata.uid', '.object.data'].map((path) => `{${path}}`);

/** Tells `told` of what there is, then of each change, until it is stopped. */
export function follow(namespace: string, kind: string, told: (change: Change) => void): { stop: () => Promise<void> } {
  const output = `jsonpath=${columns.join('|')}{"\\n"}`;
  const child = spawn('kubectl', ['-n', namespace, 'get', kind, '--watch', '--output-watch-events', '-o', output], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface(child.stdout).on('line', (line) => {
    const [type, name = '', uid = '', data = ''] = line.split('|');
    told({ type: type as Change['type'], name, uid, data });
  });
  const ended = once(child, 'close');
  return {
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}
