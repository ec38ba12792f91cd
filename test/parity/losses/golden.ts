import assert from 'node:assert/strict';
import type {
  BatchCounts,
  BatchStatistics,
  Objective,
  ScoredCompletion,
  Unit,
  UnitTerm,
} from '../../../worker/losses/objective.js';
import { readFixture } from '../fixtures.js';

/** A case of golden/losses.json; each module that reproduces some of them says what these hold. */
export interface LossCase<Params = unknown, Inputs = unknown> {
  readonly name: string;
  readonly params: Params;
  readonly inputs: Inputs;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly grads: Readonly<Record<string, unknown>>;
}

/** What Prospect, or test code, makes of a case's inputs, under the golden's own names. */
export interface Reproduced {
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly grads: Readonly<Record<string, unknown>>;
}

/** Reproduces the cases of a kind. A module declares its own inputs; the file is a fact, so nothing checks them. */
export type Reproduce = (golden: never) => Reproduced;

export const { cases } = readFixture('golden/losses.json') as { cases: readonly LossCase[] };

/** Every number of the golden, and no other, within 1e-9. */
export function assertReproduced(actual: unknown, golden: unknown, where: string): void {
  if (typeof golden === 'number') {
    assert.ok(typeof actual === 'number', `${where} is missing`);
    assert.ok(Math.abs(actual - golden) <= 1e-9, `${where}: ${actual}, golden ${golden}`);
    return;
  }
  assert.ok(typeof golden === 'object' && golden !== null, `${where}: what is ${String(golden)}?`);
  assert.ok(typeof actual === 'object' && actual !== null, `${where} is missing`);
  const [found, expected] = [Object.entries(actual), Object.entries(golden)];
  assert.deepEqual(found.map(([key]) => key).sort(), expected.map(([key]) => key).sort(), where);
  for (const [key, value] of expected) {
    assertReproduced(Reflect.get(actual, key), value, `${where}.${key}`);
  }
}

/** A completion with what its case says of it. */
export function completion(known: Partial<ScoredCompletion> & { readonly logp: number }): ScoredCompletion {
  return {
    length: 1,
    referenceLogp: null,
    tokens: null,
    desirable: null,
    score: null,
    critic: null,
    ...known,
  };
}

export interface BatchResult {
  readonly loss: number;
  readonly terms: readonly UnitTerm[];
}

export const sum = (values: Iterable<number>) =>
  Array.from(values).reduce((total, value) => total + value, 0);
export const mean = (values: readonly number[]) => sum(values) / values.length;

/** A whole batch through a method. */
export function evaluate(
  objective: Objective,
  units: readonly Unit[],
  statistics: BatchStatistics = {},
): BatchResult {
  const counts: BatchCounts = {
    examples: units.length,
    completionTokens: sum(units.flat().map(({ length }) => length)),
    chosenTokens: sum(units.filter((unit) => unit.length === 2).map(([chosen]) => chosen!.length)),
  };
  const terms = units.map((unit) => objective.term(unit, { counts, statistics }));
  return { loss: sum(terms.map(({ loss }) => loss)), terms };
}
