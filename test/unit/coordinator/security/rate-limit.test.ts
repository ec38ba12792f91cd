import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateLimit } from '../../../../coordinator/security/rate-limit.js';

test('a caller may do much at once, then as the rate says, and others are not in its way', () => {
  let nowMs = 0;
  const limit = new RateLimit({ burst: 3, perSecond: 2 }, () => nowMs);
  const take = (caller: string, times: number) => Array.from({ length: times }, () => limit.take(caller));
  assert.deepEqual(take('a', 4), [true, true, true, false]);
  assert.deepEqual(take('b', 1), [true]);
  nowMs = 499;
  assert.deepEqual(take('a', 1), [false]);
  nowMs = 1_000;
  assert.deepEqual(take('a', 3), [true, true, false]);
  nowMs = 1_000_000;
  assert.deepEqual(take('a', 4), [true, true, true, false]);
});

test('over any time nobody gets more than the burst and what the rate gives', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(500), { maxLength: 200 }), (pausesMs) => {
      let nowMs = 0;
      const limit = new RateLimit({ burst: 5, perSecond: 10 }, () => nowMs);
      let taken = 0;
      for (const pauseMs of pausesMs) {
        nowMs += pauseMs;
        if (limit.take('a')) taken += 1;
      }
      return taken <= 5 + nowMs / 100 + 1e-6;
    }),
  );
});

test('so many strangers make it forget who came first, not grow', () => {
  const limit = new RateLimit({ burst: 1, perSecond: 0 }, () => 0);
  assert.ok(limit.take('first'));
  for (let i = 0; i < 20_000; i++) assert.ok(limit.take(`stranger ${i}`));
  assert.ok(limit.take('first'));
  assert.ok(!limit.take('stranger 19999'));
});
