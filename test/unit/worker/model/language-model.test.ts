import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { sequenceLogps, type LogpGradient, type Sequence } from '../../../../worker/model/language-model.js';
import { liveTensors, read } from '../../../../worker/tensorflow/tensor.js';
import { fixturePath } from '../../../parity/fixtures.js';
import { gradientOf, loadModel, type LoadedModel } from './loaded-model.js';

const sequence = (completionStart: number, ...ids: number[]): Sequence => ({
  ids: Int32Array.from(ids),
  completionStart,
});
const batch = [
  sequence(3, 0, 53, 89, 282, 88, 77, 1),
  sequence(1, 0, 291, 287),
  sequence(4, 0, 59, 86, 284, 73, 263, 225, 80, 270, 1),
];

for (const name of ['gpt2', 'gpt_neox', 'llama', 'llama_bf16_sharded', 'mistral']) {
  describe(name, () => {
    let loaded: LoadedModel;
    before(() => {
      loaded = loadModel(fixturePath(`models/${name}`));
    });
    after(() => loaded.weights.dispose());

    test('with and without gradient, the log-probs have the same bits', () => {
      const { tokenLogps } = gradientOf(loaded, batch);
      assert.deepEqual(loaded.model.tokenLogps(loaded.weights, batch), tokenLogps);
      assert.deepEqual(loaded.model.logps(loaded.weights, batch), sequenceLogps(tokenLogps));
    });

    test('the same batch gives the same bits, in another process too', () => {
      const first = gradientOf(loaded, batch);
      assert.deepEqual(gradientOf(loaded, batch), first);
      const entry = fileURLToPath(new URL('./print-gradient.js', import.meta.url));
      const printed = execFileSync(process.execPath, [entry, fixturePath(`models/${name}`)], {
        input: JSON.stringify(batch.map(({ ids, completionStart }) => ({ ids: [...ids], completionStart }))),
        stdio: ['pipe', 'pipe', 'ignore'],
        maxBuffer: 2 ** 28,
      });
      assert.deepEqual(new Float32Array(Uint8Array.from(printed).buffer), first.gradient);
    });

    test('an example’s log-prob hardly depends on what it is padded beside', () => {
      const together = loaded.model.logps(loaded.weights, batch);
      batch.forEach((alone, index) => {
        const [logp] = loaded.model.logps(loaded.weights, [alone]);
        assert.ok(
          Math.abs(logp! - together[index]!) < 1e-4,
          `${index}: ${logp!} alone, ${together[index]!} padded`,
        );
      });
    });

    test('other completions of the batch’s prompts are computed from what is known of the prompts', () => {
      const { model, weights } = loaded;
      const branches = [sequence(4, 0, 59, 86, 284, 9, 9), sequence(1, 0, 7), sequence(4, 0, 59, 86, 284, 5)];
      const found = model.branchedLogps(weights, batch, branches);
      assert.deepEqual(
        found.trunks,
        model.tokenLogps(weights, batch),
        'the batch has the bits that it has alone',
      );
      model.tokenLogps(weights, branches).forEach((wanted, index) => {
        const logps = found.branches[index]!;
        assert.equal(logps.length, wanted.length);
        wanted.forEach((logp, token) =>
          assert.ok(Math.abs(logp - logps[token]!) < 1e-5, `${index}, ${token}`),
        );
      });
      assert.throws(() => model.branchedLogps(weights, batch, [sequence(2, 0, 1, 2)]), /prompt/);
    });

    test('a forward pass that is held gives the bits of one that goes back at once', () => {
      const { model, weights } = loaded;
      const start = liveTensors();
      const branches = [sequence(1, 0, 7, 8)];
      const forward = model.hold(weights, batch, { branches });
      const { branches: branchLogps } = model.branchedLogps(weights, batch, branches);
      assert.deepEqual(forward.branchLogps, branchLogps);
      const gradients = new Map<string, Float32Array>();
      forward.backward((logps) => logps, {
        add: ({ name: tensor }, gradient) => gradients.set(tensor, read(gradient)),
      });
      assert.throws(() => forward.backward((logps) => logps, { add: () => undefined }), /once/);
      forward.dispose();
      model.forwardBackward(weights, batch, (logps) => logps, {
        add: ({ name: tensor }, gradient) => assert.deepEqual(gradients.get(tensor), read(gradient), tensor),
      });
      model.hold(weights, batch, { branches }).dispose();
      assert.equal(liveTensors(), start);
    });

    test('a budget of activations changes no bit, and what it leaves out is freed', () => {
      const { model, weights } = loaded;
      const start = liveTensors();
      const branches = [sequence(1, 0, 7, 8)];
      const hold = (activationBytes?: number) => {
        const forward = model.hold(weights, batch, {
          branches,
          ...(activationBytes !== undefined && { activationBytes }),
        });
        const held = liveTensors() - start;
        const gradients = new Map<string, Float32Array>();
        forward.backward((logps) => logps, {
          add: ({ name: tensor }, gradient) => gradients.set(tensor, read(gradient)),
        });
        const { tokenLogps, branchLogps } = forward;
        forward.dispose();
        assert.equal(liveTensors(), start);
        return { held, result: { tokenLogps, branchLogps, gradients } };
      };
      const whole = hold();
      const none = hold(0);
      assert.ok(none.held < whole.held, `${none.held} tensors are held, of ${whole.held}`);
      assert.deepEqual(none.result, whole.result);
      // Room for something between.
      const helds = [4, 8, 16, 32, 64].map((kib) => {
        const some = hold(kib * 2 ** 10);
        assert.deepEqual(some.result, whole.result);
        return some.held;
      });
      assert.deepEqual(
        helds,
        helds.toSorted((a, b) => a - b),
      );
    });

    test('a token’s log-prob does not depend on the tokens after it', () => {
      const [{ ids }] = [batch[2]!];
      const changed = ids.with(-1, 7);
      const [before] = loaded.model.tokenLogps(loaded.weights, [sequence(1, ...ids)]);
      const [after] = loaded.model.tokenLogps(loaded.weights, [sequence(1, ...changed)]);
      assert.deepEqual(after!.subarray(0, -1), before!.subarray(0, -1));
      assert.notEqual(after!.at(-1), before!.at(-1));
    });

    test('calls leave no tensor behind, nor do calls that fail', () => {
      gradientOf(loaded, batch);
      const start = liveTensors();
      for (let call = 0; call < 5; call += 1) {
        loaded.model.logps(loaded.weights, batch);
        gradientOf(loaded, batch.slice(call % 3));
        loaded.model.logits(loaded.weights, [batch[0]!.ids], [{ sequence: 0, token: 2 }]);
      }
      const fail = () => {
        throw new Error('no');
      };
      const lossGradient = (logps: readonly Float32Array[]) => logps;
      const { model, weights } = loaded;
      assert.throws(() => model.forwardBackward(weights, batch, fail, { add: () => undefined }), /no/);
      assert.throws(() => model.forwardBackward(weights, batch, lossGradient, { add: fail }), /no/);
      let calls = 0;
      const failLater = {
        add: () => {
          calls += 1;
          if (calls === 7) fail();
        },
      };
      assert.throws(() => model.forwardBackward(weights, batch, lossGradient, failLater), /no/);
      assert.equal(liveTensors(), start);
    });

    test('a batch that cannot be scored is refused', () => {
      const logps = (...sequences: Sequence[]) => loaded.model.logps(loaded.weights, sequences);
      assert.throws(
        () => logps(sequence(1, 0, 999)),
        /token id 999 lies outside of the model's vocabulary of 3[08][04]/,
      );
      assert.throws(() => logps(sequence(1, 0, -1)), /token id -1/);
      assert.throws(
        () => logps(batch[0]!, sequence(2, 0, 1)),
        /sequence 1 of the batch has no completion token/,
      );
    });
  });
}

test('bound weights follow their buffer', () => {
  const loaded = loadModel(fixturePath('models/llama'));
  const place = loaded.layout.tensors.find(({ name: tensor }) => tensor === 'model.norm.weight')!;
  const norm = loaded.buffer.tensor(place);
  const original = norm.slice();
  const logps = loaded.model.logps(loaded.weights, batch);
  norm.fill(0);
  // All logits are 0: every token is as likely as any other.
  const uniform = batch.map(({ ids, completionStart }) => -(ids.length - completionStart) * Math.log(304));
  loaded.model
    .logps(loaded.weights, batch)
    .forEach((logp, index) => assert.ok(Math.abs(logp - uniform[index]!) < 1e-4));
  norm.set(original);
  assert.deepEqual(loaded.model.logps(loaded.weights, batch), logps);
  loaded.weights.dispose();
});

test('a sequence longer than the positions of the model is refused', () => {
  const { model, weights } = loadModel(fixturePath('models/gpt2'));
  const tokens = (length: number) => [sequence(1, ...new Int32Array(length).fill(5))];
  assert.equal(model.logps(weights, tokens(128)).length, 1);
  assert.throws(
    () => model.logps(weights, tokens(129)),
    /a sequence of 129 tokens is longer than the 128 positions of the model/,
  );
  weights.dispose();
});

describe('the gradient of the loss by token', () => {
  let loaded: LoadedModel;
  before(() => {
    loaded = loadModel(fixturePath('models/llama'));
  });
  after(() => loaded.weights.dispose());

  const gradientBy = (lossGradient: (tokenLogps: readonly Float32Array[]) => readonly LogpGradient[]) => {
    const gradients = new Map<string, Float32Array>();
    loaded.model.forwardBackward(loaded.weights, batch, lossGradient, {
      add: ({ name }, gradient) => gradients.set(name, read(gradient)),
    });
    return gradients;
  };

  test('one number for a sequence is that number for each of its tokens', () => {
    const byToken = gradientBy((found) => found.map((logps, index) => logps.map(() => index - 1.25)));
    assert.deepEqual(
      byToken,
      gradientBy((found) => found.map((_, index) => index - 1.25)),
    );
  });

  test('tokens count each by its own', () => {
    const wanted = { sequence: 2, token: 3 };
    const only = (found: readonly Float32Array[]) =>
      found.map((logps, index) =>
        Float64Array.from(logps, (_, token) => (index === wanted.sequence && token === wanted.token ? 1 : 0)),
      );
    // The same token as the only one of a shorter completion.
    const { ids, completionStart } = batch[wanted.sequence]!;
    const start = completionStart + wanted.token;
    const expected = new Map<string, Float32Array>();
    loaded.model.forwardBackward(
      loaded.weights,
      [sequence(start, ...ids.subarray(0, start + 1))],
      () => [1],
      { add: ({ name }, gradient) => expected.set(name, read(gradient)) },
    );
    for (const [name, gradient] of gradientBy(only)) {
      gradient.forEach((value, index) => {
        const difference = Math.abs(value - expected.get(name)![index]!);
        assert.ok(difference <= 1e-5, `${index} of ${name} is off by ${difference}`);
      });
    }
  });

  test('a gradient of another length is refused', () => {
    assert.throws(() => gradientBy(() => [1]), /1 loss gradients for 3 sequences/);
    assert.throws(
      () => gradientBy(() => [1, new Float32Array(3), 1]),
      /3 loss gradients for the 2 tokens of sequence 1/,
    );
  });
});
