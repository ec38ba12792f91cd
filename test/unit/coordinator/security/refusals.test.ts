import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Refusals } from '../../../../coordinator/security/refusals.js';

test('all who are refused are counted, and a flood of them takes a line a second', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  const registry = new Registry();
  let nowMs = 0;
  const refusals = new Refusals(registry, log, () => nowMs);
  const refused = { from: '10.0.0.9', method: '/prospect.v1.RunService/CancelRun', why: 'no right' };
  for (let i = 0; i < 500; i++) refusals.note('role', refused);
  refusals.note('token', refused);
  nowMs = 1_500;
  refusals.note('role', refused);
  assert.deepEqual(
    lines.map(({ reason, unsaid }) => [reason, unsaid]),
    [
      ['role', undefined],
      ['token', undefined],
      ['role', 499],
    ],
  );
  const text = await registry.metrics();
  assert.match(text, /^prospect_refused_calls_total\{reason="role"\} 501$/m);
  assert.match(text, /^prospect_refused_calls_total\{reason="token"\} 1$/m);
  assert.match(text, /^prospect_refused_calls_total\{reason="certificate"\} 0$/m);
});
