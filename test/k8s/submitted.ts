import assert from 'node:assert/strict';
import { startProspect, type Finished, type Started } from '../integration/prospect.js';
import { waitUntil } from '../support/wait-until.js';
import type { Release } from './release.js';

/** A command that submits a run and follows it, as a user sees it. */
export class Submitted {
  readonly #started: Started;
  #said = '';

  constructor(runFile: string, release: Release, ...flags: readonly string[]) {
    this.#started = startProspect(['submit', runFile, ...release.flags, ...flags]);
    this.#started.process.stderr?.on('data', (text: string) => (this.#said += text));
  }

  /** All that it has told so far. */
  get said(): string {
    return this.#said;
  }

  /** Resolves once it has said something; rejects where it ends before. */
  async says(what: RegExp, timeoutMs = 180_000): Promise<RegExpExecArray> {
    let over = false;
    void this.#started.finished.then(() => (over = true));
    await waitUntil(() => over || what.test(this.#said), String(what), timeoutMs);
    const match = what.exec(this.#said);
    assert.ok(match !== null, `it ended before it said ${String(what)}:\n${this.#said}`);
    return match;
  }

  async runId(): Promise<string> {
    const [, id = ''] = await this.says(/^queued (run-[0-9a-f]{8})/m);
    return id;
  }

  /** Resolves once the run has committed this step, or a later one. */
  async reaches(step: number): Promise<void> {
    const isThere = () => [...this.#said.matchAll(/step (\d+)\/\d+/g)].some(([, at]) => Number(at) >= step);
    await waitUntil(isThere, `step ${step} in\n${this.#said}`, 180_000);
  }

  /** Where the trained model is. */
  async model(): Promise<string> {
    const { code, stdout, stderr } = await this.end();
    assert.equal(code, 0, stderr);
    return /^trained model: (.+)$/m.exec(stdout)?.[1] ?? assert.fail(stdout);
  }

  end(): Promise<Finished> {
    return this.#started.finished;
  }

  kill(): void {
    this.#started.process.kill('SIGKILL');
  }
}
