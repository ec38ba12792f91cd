import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { openSafetensors } from '../../../../lib/safetensors/checkpoint.js';
import type { ScoredCompletion } from '../../../../worker/losses/objective.js';
import { ppoClip } from '../../../../worker/losses/ppo-clip.js';
import { completionLogps } from '../../../../worker/model/completion-logps.js';
import type { Critic } from '../../../../worker/model/critic.js';
import type { Sequence } from '../../../../worker/model/language-model.js';
import { loadModel, type AdapterSource, type LoadedModel } from '../../../../worker/model/load.js';
import { configureThreads } from '../../../../worker/tensorflow/environment.js';
import { liveTensors, read } from '../../../../worker/tensorflow/tensor.js';
import { fixturePath } from '../../../parity/fixtures.js';
import { testRandom } from '../random.js';
import { dot } from './finite-differences.js';

configureThreads(1);

const HIDDEN = 32;

type WithCritic = LoadedModel & { readonly critic: Critic };

function open(adapter: AdapterSource | null = null): WithCritic {
  const loaded = loadModel(fixturePath('models/llama'), adapter, { withCritic: true });
  assert.ok(loaded.critic !== null);
  return { ...loaded, critic: loaded.critic };
}

const sequences: Sequence[] = [
  { ids: Int32Array.from([0, 53, 89, 282, 88, 77, 1]), completionStart: 3 },
  { ids: Int32Array.from([0, 291, 287]), completionStart: 1 },
  { ids: Int32Array.from([0, 59, 86, 284, 73, 263, 225, 80, 270, 1]), completionStart: 4 },
];
const desirable = [true, false, true];

const valuesOf = ({ model, critic, weights }: WithCritic) =>
  model.readStates(weights, sequences, (states) => critic.values(weights, states));

const objective = ppoClip({ gamma: 0.99, lam: 0.95, clipRange: 0.5, klCoef: 0.1, criticCoef: 0.3 });
const counts = { examples: 3, completionTokens: 12, chosenTokens: 0 };
const statistics = { advantages: { mean: 0.2, variance: 0.5 } };

/** What PPO holds fixed while a weight moves. */
interface Fixed {
  readonly referenceLogps: readonly Float32Array[];
  readonly oldValues: readonly Float32Array[];
  /** In place of the critic's: its states carry no gradient into the model. */
  readonly values: readonly Float32Array[] | null;
}

/** PPO's loss on the batch, and its gradients by the tensors' names. */
function lossOf({ model, critic, weights }: WithCritic, { referenceLogps, oldValues, values }: Fixed) {
  let loss = 0;
  const gradients = new Map<string, Float32Array>();
  const sink = {
    add: ({ name }: { name: string }, gradient: Parameters<typeof read>[0]) => {
      assert.ok(!gradients.has(name), `${name} has its gradient twice`);
      gradients.set(name, read(gradient));
    },
  };
  model.forwardBackward(
    weights,
    sequences,
    (tokenLogps, states) => {
      const current = values ?? critic.values(weights, states);
      const terms = tokenLogps.map((logps, i) => {
        const completion: ScoredCompletion = {
          length: logps.length,
          desirable: desirable[i]!,
          score: null,
          critic: { values: current[i]!, oldValues: oldValues[i]! },
          logp: completionLogps(logps, false).logp,
          referenceLogp: 0,
          tokens: { logps, referenceLogps: referenceLogps[i]! },
        };
        return objective.term([completion], { counts, statistics });
      });
      loss = terms.reduce((total, term) => total + term.loss, 0);
      critic.backward(
        states,
        terms.flatMap(({ valueGradients }) => valueGradients!),
        sink,
      );
      return terms.flatMap((term) => term.gradients);
    },
    sink,
  );
  return { loss, gradients };
}

describe('a critic beside a whole model', () => {
  let loaded: WithCritic;
  let fixed: Fixed;
  before(() => {
    loaded = open();
  });
  after(() => loaded.weights.dispose());

  test('its tensors are the last of the flat space, and it values nothing at first', () => {
    const plain = loadModel(fixturePath('models/llama'));
    const known = plain.layout.tensors;
    assert.equal(plain.critic, null);
    plain.weights.dispose();
    assert.deepEqual(loaded.layout.tensors.slice(0, known.length), known);
    assert.deepEqual(
      loaded.layout.tensors.slice(known.length).map(({ name, shape }) => [name, shape]),
      [
        ['v_head.bias', [1]],
        ['v_head.weight', [1, HIDDEN]],
      ],
    );
    assert.deepEqual(
      valuesOf(loaded),
      [4, 2, 6].map((length) => new Float32Array(length)),
    );
  });

  test('with and without gradient, the values have the same bits', (t) => {
    const random = testRandom(t);
    const { buffer, model, weights, critic } = loaded;
    const head = random.floats(HIDDEN).map((value) => 0.1 * value);
    buffer.named('v_head.weight').set(head);
    buffer.named('v_head.bias').set([0.25]);
    const values = valuesOf(loaded);
    let again: Float32Array[] = [];
    const states: Float32Array[] = [];
    const logps = model.forwardBackward(
      weights,
      sequences,
      (found, tokenStates) => {
        again = critic.values(weights, tokenStates);
        states.push(read(tokenStates.hidden));
        return found.map(() => 1);
      },
      { add: () => undefined },
    );
    assert.deepEqual(again, values);
    values
      .flatMap((ofSequence) => [...ofSequence])
      .forEach((value, token) => {
        const expected = dot(states[0]!.subarray(HIDDEN * token, HIDDEN * (token + 1)), head) + 0.25;
        assert.ok(Math.abs(value - expected) < 1e-4, `token ${token}: ${value}, by hand ${expected}`);
      });
    fixed = {
      referenceLogps: logps.map((ofSequence) => ofSequence.map((logp) => logp + 0.1 * random.floats(1)[0]!)),
      oldValues: values,
      values: null,
    };
  });

  const layers = ['model.layers.0.self_attn.k_proj.weight', 'model.layers.1.mlp.down_proj.weight'];
  for (const name of ['v_head.weight', 'v_head.bias', ...layers]) {
    test(`the gradient of ${name} equals finite differences of the loss`, () => {
      // What the critic reads is held fixed where the model's own weights move.
      const held = name.startsWith('v_head') ? fixed : { ...fixed, values: valuesOf(loaded) };
      const { gradients } = lossOf(loaded, held);
      const gradient = gradients.get(name)!;
      const slope = Math.sqrt(dot(gradient, gradient));
      assert.ok(slope > 1e-3, `a gradient of norm ${slope} shows nothing`);
      const place = loaded.buffer.named(name);
      const original = place.slice();
      const at = (step: number) => {
        place.set(original.map((value, i) => value + (step * gradient[i]!) / slope));
        return lossOf(loaded, held).loss;
      };
      // Small, so that no token's ratio reaches the end of the clip range, where the loss has a kink.
      const step = 2e-3;
      const [near, far] = [at(step) - at(-step), at(2 * step) - at(-2 * step)];
      const numeric = (8 * near - far) / (12 * step);
      place.set(original);
      assert.ok(Math.abs(numeric - slope) <= 5e-3 * slope, `slope ${slope}, central difference ${numeric}`);
    });
  }

  test('it changes no gradient of the model', () => {
    const { gradients } = lossOf(loaded, fixed);
    const critical = lossOf(loaded, {
      ...fixed,
      values: fixed.oldValues.map((values) => values.map(() => 9)),
    });
    for (const { name } of loaded.layout.tensors) {
      const isCritic = name.startsWith('v_head');
      const other = critical.gradients.get(name);
      assert.ok(other !== undefined, `${name} has no gradient`);
      assert[isCritic ? 'notDeepEqual' : 'deepEqual'](gradients.get(name), other, name);
    }
  });

  test('gradients of another number of tokens are refused', () => {
    const { model, critic, weights } = loaded;
    const refuse = (...lengths: number[]) =>
      model.readStates(weights, sequences, (states) =>
        critic.backward(
          states,
          lengths.map((length) => new Float64Array(length)),
          { add: () => assert.fail('nothing to add') },
        ),
      );
    assert.throws(() => refuse(4, 2), /gradients of 4, 2 values for 4, 2, 6 tokens/);
    assert.throws(() => refuse(4, 3, 6), /gradients of 4, 3, 6 values for 4, 2, 6 tokens/);
  });

  test('calls leave no tensor behind', () => {
    const start = liveTensors();
    for (let call = 0; call < 3; call++) {
      valuesOf(loaded);
      lossOf(loaded, fixed);
    }
    assert.equal(liveTensors(), start);
  });
});

const adapters = {
  'a whole model': { adapter: null, file: 'model.safetensors' },
  'an adapter': {
    adapter: { fresh: { r: 2, alpha: 4, targetModules: 'all-linear' }, seed: 3 },
    file: 'adapter_model.safetensors',
  },
} as const;

for (const [what, { adapter, file }] of Object.entries(adapters)) {
  test(`saved with ${what}, it lies beside the directory, which is as without it`, (t) => {
    const out = mkdtempSync(join(tmpdir(), 'prospect-test-'));
    t.after(() => rmSync(out, { recursive: true, force: true }));
    const plain = loadModel(fixturePath('models/llama'), adapter);
    plain.save(plain.buffer, join(out, 'plain', 'model'));
    const loaded = open(adapter);
    loaded.buffer.named('v_head.weight').fill(0.5);
    loaded.buffer.named('v_head.bias').fill(-2);
    const target = join(out, 'critic', 'model');
    loaded.save(loaded.buffer, target);
    for (const { weights, model } of [plain, loaded]) {
      weights.dispose();
      model.dispose();
    }

    assert.deepEqual(readdirSync(target), readdirSync(join(out, 'plain', 'model')));
    assert.deepEqual(contents(join(target, file)), contents(join(out, 'plain', 'model', file)));
    assert.deepEqual(readdirSync(join(out, 'critic')).sort(), ['model', 'value_head.safetensors']);
    assert.deepEqual(
      contents(join(out, 'critic', 'value_head.safetensors')),
      new Map([
        ['v_head.weight', new Float32Array(HIDDEN).fill(0.5)],
        ['v_head.bias', Float32Array.of(-2)],
      ]),
    );
  });
}

/** Tensors of a safetensors file, by name. */
function contents(path: string): Map<string, Float32Array> {
  const file = openSafetensors(path);
  try {
    return new Map(
      [...file.tensors.values()].map(({ name, shape }) => {
        const values = new Float32Array(shape.reduce((product, dimension) => product * dimension, 1));
        file.read(name, values);
        return [name, values];
      }),
    );
  } finally {
    file.close();
  }
}
