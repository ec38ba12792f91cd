import { spawn, type ChildProcess } from 'node:child_process';

/** A program that serves until it is stopped. */
export class BackgroundProgram {
  /** What its first line that matched says. */
  readonly found: RegExpExecArray;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess, ended: Promise<void>, found: RegExpExecArray) {
    this.#child = child;
    this.#ended = ended;
    this.found = found;
  }

  /** Resolves once it has written what matches; rejects where it ends before. */
  static async start(program: string, args: readonly string[], ready: RegExp): Promise<BackgroundProgram> {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    let said = '';
    const found = await new Promise<RegExpExecArray>((resolve, reject) => {
      const take = (text: string) => {
        said += text;
        const match = ready.exec(said);
        if (match !== null) resolve(match);
      };
      child.stdout.setEncoding('utf8').on('data', take);
      child.stderr.setEncoding('utf8').on('data', take);
      child.once('error', reject);
      void ended.then(() => reject(new Error(`${program} ended: ${said}`)));
    });
    return new BackgroundProgram(child, ended, found);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}
