import { classMissing } from './class-missing.js';
import { gradNormExploding } from './grad-norm.js';
import type { MetricsRow } from '../runs/metrics-row.js';
import { klZero } from './kl-zero.js';
import { marginFalling } from './margin-falling.js';
import type { Observation, Rule, StageFacts } from './observation.js';
import { stageFindings } from './stage-facts.js';
import { straggler } from './straggler.js';

const rules: readonly Rule[] = [klZero, marginFalling, classMissing, gradNormExploding, straggler];

/** Steps that rules look back. */
const REMEMBERED_STEPS = 400;

/** For the journal: a Notice. A condition's warning comes once, and a notice that is none when it no longer holds. */
export interface DiagnosisNotice {
  readonly condition: string;
  readonly text: string;
  readonly warning: boolean;
}

/** What the journal holds of a stage that is resumed. */
export interface StagePast {
  readonly rows: readonly MetricsRow[];
  /** Conditions that held, with what was said of them: see `openConditions`. */
  readonly open: ReadonlyMap<string, string>;
}

/** The conditions that the notices so far have begun and not ended. */
export function openConditions(notices: Iterable<DiagnosisNotice>): ReadonlyMap<string, string> {
  const open = new Map<string, string>();
  for (const { condition, text, warning } of notices) {
    if (condition === '') continue;
    if (warning) open.set(condition, text);
    else open.delete(condition);
  }
  return open;
}

/** Watches a stage for conditions that its user should know of. */
export class Diagnosis {
  readonly #prefix: string;
  readonly #steps: Observation[] = [];
  /** What was said of each condition that holds. */
  readonly #open = new Map<string, string>();

  /**
   * @param stage from 1
   * @param past of a stage that is resumed
   */
  constructor(stage: number, method: string, past: StagePast = { rows: [], open: new Map() }) {
    this.#prefix = `stage ${stage} (${method})`;
    for (const row of past.rows.slice(-REMEMBERED_STEPS)) this.#steps.push({ row, workers: [] });
    for (const [key, text] of past.open) this.#open.set(key, text);
  }

  /** What the stage's data and settings say, before its first step; nothing that was said before. */
  begin(facts: StageFacts): DiagnosisNotice[] {
    return stageFindings(facts)
      .filter(({ key }) => !this.#open.has(key))
      .map(({ key, line }) => this.#begin(key, line));
  }

  /** What has begun or ended with a step. */
  observe(step: Observation): DiagnosisNotice[] {
    this.#steps.push(step);
    if (this.#steps.length > REMEMBERED_STEPS) this.#steps.shift();
    const notices: DiagnosisNotice[] = [];
    for (const rule of rules) {
      for (const [key, verdict] of rule(this.#steps)) {
        if (verdict === 'unsure') continue;
        if (verdict.holds && !this.#open.has(key)) notices.push(this.#begin(key, verdict.line));
        if (!verdict.holds && this.#open.has(key)) notices.push(this.#end(key, 'no longer so'));
      }
    }
    return notices;
  }

  /** Ends what still holds when the stage has ended. */
  end(): DiagnosisNotice[] {
    return [...this.#open.keys()].map((key) => this.#end(key, 'the stage has ended'));
  }

  #begin(condition: string, line: string): DiagnosisNotice {
    const text = `${this.#prefix}: ${line}`;
    this.#open.set(condition, text);
    return { condition, text, warning: true };
  }

  #end(condition: string, why: string): DiagnosisNotice {
    const text = `${why}: ${this.#open.get(condition)!}`;
    this.#open.delete(condition);
    return { condition, text, warning: false };
  }
}
