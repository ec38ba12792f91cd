import { randomUUID } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { privateCache } from '../integration/prospect.js';
import { processesTagged, type RunningProcess } from '../integration/processes.js';

const cli = fileURLToPath(new URL('../../deploy/cli/main.js', import.meta.url));

/** `prospect coordinator` as a user starts it, which can be killed and started again on the same state and address. */
export class ServiceProcess {
  readonly stateDir: string;
  readonly #tag = `PROSPECT_TEST_TAG=${randomUUID()}`;
  readonly #cache = privateCache();
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #log = '';
  #address = '127.0.0.1:0';

  constructor(dir: string, flags: readonly string[] = []) {
    this.stateDir = join(dir, 'state');
    this.#flags = flags;
    mkdirSync(this.stateDir, { recursive: true });
  }

  /** host:port of its gRPC services; the same after it was started again. */
  get address(): string {
    return this.#address;
  }

  /** All that it has written, over all its lives. */
  get log(): string {
    return this.#log;
  }

  /** Resolves once it serves. */
  async start(): Promise<void> {
    const [name, value] = this.#tag.split('=') as [string, string];
    const args = ['coordinator', '--state-dir', basename(this.stateDir), '--listen', this.#address];
    const child = spawn(process.execPath, [cli, ...args, '--metrics-listen', '127.0.0.1:0', ...this.#flags], {
      // As users name it, from where they are; what runs are told must not depend on that.
      cwd: dirname(this.stateDir),
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...this.#cache, [name]: value },
    });
    this.#child = child;
    const from = this.#log.length;
    await new Promise<void>((resolve, reject) => {
      const take = (text: string) => {
        this.#log += text;
        const found = /"address":"([^"]+)"/.exec(this.#log.slice(from));
        if (found === null) return;
        this.#address = found[1]!;
        resolve();
      };
      child.stdout.setEncoding('utf8').on('data', take);
      child.stderr.setEncoding('utf8').on('data', take);
      child.once('error', reject);
      child.once('close', () => reject(new Error(`the coordinator ended: ${this.#log}`)));
    });
  }

  /** SIGKILL; its workers end by themselves. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; resolves with the exit code. */
  async terminate(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** All processes that there are of it, now. */
  processes(): RunningProcess[] {
    return processesTagged(this.#tag);
  }

  #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return Promise.resolve(child?.exitCode ?? null);
    }
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return ended;
  }
}
