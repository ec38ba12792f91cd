import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import type { ReferenceModel } from '../../../../lib/config/reference-model.js';
import { ConfigError } from '../../../../lib/errors.js';
import { EngineThread } from '../../../../worker/compute/engine-thread.js';
import type { CompletionLogps } from '../../../../worker/model/completion-logps.js';
import type { ReferenceEngine } from '../../../../worker/reference/reference-engine.js';
import { OtherModel, ServedModel, type KnownAnswers } from '../../../../worker/reference/served-model.js';
import { fixturePath } from '../../../parity/fixtures.js';

const llama: ReferenceModel = { modelDir: fixturePath('models/llama'), adapterDir: null };
const mistral: ReferenceModel = { modelDir: fixturePath('models/mistral'), adapterDir: null };
const leaf = {
  sequences: [{ ids: Int32Array.of(5, 6, 7, 8), completionStart: 2 }],
  branches: 0,
  byToken: false,
};

function serve(t: TestContext, find: KnownAnswers['find'] = () => Promise.resolve(null)) {
  const engine = new EngineThread<ReferenceModel, ReferenceEngine>(
    new URL('../../../../worker/reference/reference-thread.js', import.meta.url),
  );
  t.after(() => engine.terminate());
  const kept: (readonly CompletionLogps[])[] = [];
  const cache: KnownAnswers = {
    find,
    keep: (_, completions) => void kept.push(completions),
    close: () => Promise.resolve(),
  };
  return { served: new ServedModel(engine, () => cache), kept };
}

describe('the model that a replica serves', () => {
  test('is asked while it is loaded, and computes what is not known', async (t) => {
    const { served, kept } = serve(t);
    assert.throws(() => served.vocabSizeOf(llama), OtherModel);
    const loaded = served.change(llama);
    await new Promise((resolve) => setImmediate(resolve));
    const { completions, cached } = await served.score(llama, leaf);
    await loaded;
    assert.equal(cached, false);
    assert.ok(completions[0]!.logp < 0);
    assert.deepEqual(kept, [completions]);
  });

  test('does not answer for one that it has replaced, however long ago the question came', async (t) => {
    let answer!: (known: null) => void;
    const slow = new Promise<null>((resolve) => (answer = resolve));
    const { served } = serve(t, () => slow);
    await served.change(llama);
    const question = served.score(llama, leaf);
    await served.change(mistral);
    answer(null);
    await assert.rejects(question, (error) => {
      assert.ok(error instanceof OtherModel);
      assert.match(error.message, /^it serves .*mistral, and not .*llama yet$/);
      return true;
    });
    await assert.rejects(served.score(llama, leaf), OtherModel);
    assert.equal((await served.score(mistral, leaf)).completions.length, 1);
  });

  test('with an adapter is another one than without', async (t) => {
    const { served } = serve(t);
    await served.change(llama);
    await assert.rejects(served.score({ ...llama, adapterDir: '/adapter' }, leaf), OtherModel);
  });

  test('cannot be loaded: whoever asks for it is told, also who asked before that was known', async (t) => {
    const { served } = serve(t);
    const broken = { ...llama, adapterDir: '/nowhere' };
    const change = served.change(broken);
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([
      assert.rejects(change, ConfigError),
      assert.rejects(served.score(broken, leaf), ConfigError),
    ]);
    assert.throws(() => served.vocabSizeOf(broken), ConfigError);
    await served.change(llama);
    assert.equal((await served.score(llama, leaf)).completions.length, 1);
    assert.throws(() => served.vocabSizeOf(broken), OtherModel);
  });
});
