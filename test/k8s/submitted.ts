import assert from 'node:assert/strict';
import { startProspect, type Finished, type Started } from '../integration/prospect.js';
import { waitUntil } from '../support/wait-until.js';
import type { Release } from './release.js';

/** Pods start slowly where a machine is busy. */
const PATIENCE_MS = 300_000;

/** A command that submits a run and follows it, as a user sees it. */
export class Submitted {
  readonly release: Release;
  readonly #started: Started;
  #said = '';
  #isOver = false;

  constructor(runFile: string, release: Release, ...flags: readonly string[]) {
    this.release = release;
    this.#started = startProspect(['submit', runFile, ...release.flags, ...flags]);
    this.#started.process.stderr?.on('data', (text: string) => (this.#said += text));
    void this.#started.finished.then(() => (this.#isOver = true));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** All that it has told so far. */
  get said(): string {
    return this.#said;
  }

  /** The steps that it has told of, in this order. */
  get steps(): readonly number[] {
    return [...this.#said.matchAll(/step (\d+)\/\d+/g)].map(([, step]) => Number(step));
  }

  /** The last one; 0 before the first. */
  get step(): number {
    return this.steps.at(-1) ?? 0;
  }

  /** Resolves once it has said something; rejects where it ends before. */
  async says(what: RegExp): Promise<RegExpExecArray> {
    await this.#until(() => what.test(this.#said), String(what));
    return what.exec(this.#said)!;
  }

  async runId(): Promise<string> {
    const [, id = ''] = await this.says(/^queued (run-[0-9a-f]{8})/m);
    return id;
  }

  /** Resolves once the run has committed this step, or a later one. */
  async reaches(step: number): Promise<void> {
    await this.#until(() => this.step >= step, `step ${step}`);
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

  async #until(condition: () => boolean, what: string): Promise<void> {
    await waitUntil(() => this.#isOver || condition(), what, PATIENCE_MS);
    assert.ok(condition(), `it ended before ${what}:\n${this.#said}`);
  }
}
