import assert from 'node:assert/strict';
import { test } from 'node:test';

import { resolveObjective } from '../../../../lib/config/resolve-objective.js';
import type { StageKeys } from '../../../../lib/config/schema.js';
import type { Method } from '../../../../lib/config/types.js';
import { methodNames, needsOf, type MethodNeeds } from '../../../../lib/methods/needs.js';

const needs = (method: Method, keys: StageKeys = {}) => needsOf(resolveObjective(method, keys));

test('what rows a method takes', () => {
  const taking = (rows: MethodNeeds['rows']) => methodNames.filter((method) => needs(method).rows === rows);
  assert.deepEqual(taking('unpaired'), ['kto', 'apo_zero_unpaired', 'ppo_clip']);
  assert.deepEqual(taking('paired'), ['dpo', 'cpo', 'simpo', 'orpo', 'slic']);
  assert.deepEqual(taking('any'), ['sft', 'csft']);
});

test('needs that settings decide', () => {
  const plain = needs('kto');
  assert.deepEqual([plain.labels, plain.scores, plain.tokenLevel], [true, false, false]);
  const scored = needs('kto', { score_scale: { min: 1, max: 5, neutral: 3 } });
  assert.deepEqual([scored.labels, scored.scores, scored.tokenLevel], [false, true, false]);
  assert.equal(needs('kto', { humanline: {} }).tokenLevel, true);
  assert.equal(needs('ppo_clip').critic, true);
  assert.equal(needs('ppo_clip', { critic_coef: 0 }).critic, false);
});
