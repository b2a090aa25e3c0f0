/** Processes of `frp-k8s serve` on 127.0.0.1, with a certificate of a real authority and services of a file. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { newCertificate, type ServiceConfig } from './harness.ts';

export const main = path.join(import.meta.dirname, '..', '..', '..', 'src', 'main.ts');

interface Line {
  msg: string;
  port?: number;
  metricsPort?: number;
}

export class Programs {
  /** of their files */
  readonly folder = mkdtempSync(path.join(tmpdir(), 'frp-k8s-serve-'));
  readonly #children: ChildProcess[] = [];
  readonly #caPem: string;

  private constructor(caPem: string) {
    this.#caPem = caPem;
  }

  /** @param services that they know; YAML */
  static async create(services: string): Promise<Programs> {
    const { certPem, keyPem, caPem } = await newCertificate();
    const programs = new Programs(caPem!);
    for (const [name, text] of Object.entries({ 'tls.crt': certPem, 'tls.key': keyPem, 'services.yaml': services }))
      writeFileSync(path.join(programs.folder, name), text);
    return programs;
  }

  /** It ends with the others. */
  owns(child: ChildProcess): void {
    this.#children.push(child);
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true });
  }

  /**
   * The real program. `line` resolves with the first line of its log whose message begins so.
   * @param config lines of its configuration @param node options of Node
   */
  async serve(config: string, node: readonly string[] = []) {
    const [file, certFile, keyFile, services] = [`${this.#children.length}.yaml`, 'tls.crt', 'tls.key', 'services.yaml'].map((name) =>
      path.join(this.folder, name),
    ) as [string, string, string, string];
    writeFileSync(file, `host: 127.0.0.1\nport: 0\nmetricsPort: 0\n${config}`);
    const child = spawn(process.execPath, [...node, main, 'serve', '--config', file, '--services', services], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, FRPK8S_TLS_CERT_FILE: certFile, FRPK8S_TLS_KEY_FILE: keyFile },
    });
    this.owns(child);
    const lines: Line[] = [];
    const reader = createInterface(child.stdout);
    reader.on('line', (text) => lines.push(JSON.parse(text) as Line));
    const line = async (start: string): Promise<Line> => {
      for (;;) {
        const found = lines.find(({ msg }) => msg.startsWith(start));
        if (found) return found;
        await once(reader, 'line');
      }
    };
    const { port, metricsPort } = await line('serving admission reviews');
    return {
      child,
      lines,
      line,
      served: { port, ca: this.#caPem } as ServiceConfig,
      operations: `http://127.0.0.1:${metricsPort}`,
      exit: once(child, 'close'),
    };
  }
}
