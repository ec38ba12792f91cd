import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ConfigError } from '../../../../lib/errors.js';
import { EngineThread } from '../../../../worker/compute/engine-thread.js';
import type { CountingEngine, OpenCounting } from './counting-thread.js';

describe('EngineThread', () => {
  let thread: EngineThread<OpenCounting, CountingEngine, number>;

  beforeEach(() => {
    thread = new EngineThread(new URL('./counting-thread.js', import.meta.url));
  });
  afterEach(() => thread.terminate());

  test('answers calls in order', async () => {
    await thread.open({ start: 10 });
    assert.deepEqual(await Promise.all([thread.call('add', 1), thread.call('add', 2)]), [11, 13]);
  });

  test('shares memory instead of copying it', async () => {
    await thread.open({ start: 0 });
    const memory = new SharedArrayBuffer(8);
    await thread.call('fill', memory, 2.5);
    assert.deepEqual([...new Float32Array(memory)], [2.5, 2.5]);
  });

  test('what an engine emits reaches the listener of that call, before the call resolves', async () => {
    await thread.open({ start: 0 });
    const heard: string[] = [];
    const hear = (who: string) => (reached: number) => heard.push(`${who} ${reached}`);
    const first = thread.listen(hear('first'), 'countTo', 2).then(() => heard.push('first done'));
    const unheard = thread.call('countTo', 4);
    const failed = assert.rejects(thread.listen(hear('third'), 'emitAndFail', 7), /after an event/);
    const last = thread.listen(hear('last'), 'countTo', 5);
    await Promise.all([first, unheard, failed, last]);
    assert.deepEqual(heard, ['first 1', 'first 2', 'first done', 'third 7', 'last 5']);
  });

  test('a user error keeps its class across the thread, and another keeps its message', async () => {
    await assert.rejects(thread.open({ start: -1 }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /start is negative/);
      return true;
    });
    await assert.rejects(thread.call('add', 1), /before an engine was opened/);
    await thread.open({ start: 0 });
    await assert.rejects(thread.call('fail'), /a defect/);
    assert.equal(await thread.call('add', 1), 1, 'an error must not end the thread');
  });

  test('opening again disposes of the engine before', async () => {
    await thread.open({ start: 0 });
    await thread.open({ start: 5 });
    assert.equal(await thread.call('disposedBefore'), 1);
    assert.equal(await thread.call('add', 1), 6);
  });

  test('where one does not open there is none, and the next one opens', async () => {
    await thread.open({ start: 0 });
    await assert.rejects(thread.open({ start: -1 }), ConfigError);
    await assert.rejects(thread.call('add', 1), /before an engine was opened/);
    await thread.open({ start: 5 });
    assert.equal(await thread.call('disposedBefore'), 1, 'each is disposed of once');
  });

  test('terminating rejects what is pending and what comes after, even in a call that never returns', async () => {
    await thread.open({ start: 0 });
    const pending = assert.rejects(thread.call('hang'), /compute thread ended/);
    await thread.terminate();
    await pending;
    await assert.rejects(thread.call('add', 1), /compute thread ended/);
  });
});
