import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toRunEvent } from '../../../../coordinator/page/messages.js';
import { v1 } from '../../../../proto/services.js';

/** Through the wire format, as the journal's events come. */
function eventOf(body: Omit<v1.WatchRunResponse.$Properties, 'sequence' | 'timeMs'>) {
  const bytes = v1.WatchRunResponse.encode({ ...body, sequence: 7, timeMs: 1000 }).finish();
  return toRunEvent(v1.WatchRunResponse.decode(bytes));
}

function sampled(completions: v1.SampledCompletion.$Properties[]) {
  const event = eventOf({ completionsSampled: { stage: 2, step: 50, completions } });
  assert.ok(event?.kind === 'samples');
  return event;
}

describe('events of the journal', () => {
  test('an evaluation has its row, also at step 0', () => {
    assert.deepEqual(
      eventOf({ evaluated: { stage: 1, step: 0, metricsJson: '{"eval_loss":0.5}', durationMs: 3 } }),
      { sequence: 7, timeMs: 1000, kind: 'evaluation', stage: 1, step: 0, row: { eval_loss: 0.5 } },
    );
  });

  test('samples have their texts', () => {
    const { sequence, timeMs, ...event } = sampled([
      { prompt: 'p', completion: '<b>', cut: true },
      { prompt: '', completion: '' },
    ]);
    assert.deepEqual([sequence, timeMs], [7, 1000]);
    assert.deepEqual(event, {
      kind: 'samples',
      stage: 2,
      step: 50,
      completions: [
        { prompt: 'p', completion: '<b>', cut: true },
        { prompt: '', completion: '', cut: false },
      ],
      omitted: 0,
    });
  });

  test('of long texts the prompt’s end and the completion’s beginning are taken, and no half characters', () => {
    const text = `a${'😀'.repeat(5_000)}b`;
    const [taken] = sampled([{ prompt: text, completion: text }]).completions;
    assert.match(taken!.prompt, /^…(😀){499}b$/u);
    assert.match(taken!.completion, /^a(😀){999}…$/u);
  });

  test('many samples of a step are counted, and not all taken', () => {
    const { completions, omitted } = sampled(
      Array.from({ length: 40 }, (_, i) => ({ prompt: `${i}`, completion: '' })),
    );
    assert.equal(completions.length + omitted, 40);
    assert.deepEqual([completions.length, completions[15]!.prompt], [16, '15']);
  });

  test('a run has the name that its user gave, and one from before there were names its id', () => {
    const nameOf = (run: v1.Run.$Properties) => {
      const event = eventOf({ run });
      assert.ok(event?.kind === 'run');
      return event.run.name;
    };
    assert.equal(nameOf({ id: 'run-1', name: 'thumbs', outputDir: '/runs/other' }), 'thumbs');
    assert.equal(nameOf({ id: 'run-1', outputDir: '/runs/other' }), 'run-1');
  });

  test('one that the page does not know is none', () => {
    assert.equal(eventOf({}), null);
  });
});
