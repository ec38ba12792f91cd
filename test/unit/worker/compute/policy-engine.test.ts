import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StageConfig } from '../../../../lib/config/types.js';
import {
  PolicyEngine,
  type LeafInputs,
  type LeafTask,
  type SamplingTask,
} from '../../../../worker/compute/policy-engine.js';
import { SideThreads } from '../../../../worker/compute/side-threads.js';
import { gradientNorm } from '../../../../worker/optimizer/gradient-norm.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { BLOCK_SIZE } from '../../../../worker/parameters/layout.js';
import { emptyParts, type Place } from '../../../../worker/parameters/optimizer-part.js';
import { accumulationPlan, rootOf } from '../../../../worker/reduction/tree.js';
import { configureThreads } from '../../../../worker/tensorflow/environment.js';
import { liveTensors } from '../../../../worker/tensorflow/tensor.js';
import { fixturePath } from '../../../parity/fixtures.js';
import { valuesOf } from '../../../support/collectives.js';
import { sameBits, treeSum } from '../../../support/leaves.js';

configureThreads(1);

const stage: StageConfig & { readonly model: string } = {
  objective: {
    method: 'kto',
    beta: 0.1,
    desirableWeight: 1,
    undesirableWeight: 1,
    z0Denominator: 'all',
    humanline: null,
    scoreScale: null,
  },
  model: fixturePath('models/llama'),
  adapter: null,
  lora: null,
  reference: null,
  data: { train: 'rows.jsonl', eval: null },
  learningRate: 1e-3,
  lrSchedule: 'constant',
  warmupSteps: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0,
  onNonfinite: 'fail',
  evalSteps: 0,
  samples: null,
  maxGradNorm: 1,
  maxSteps: 1,
  epochs: 1,
  globalBatchSize: 3,
  microBatchSize: 1,
  activationMemoryGib: null,
  sharePrompts: false,
  maxLength: 32,
  maxPromptLength: 16,
  shuffle: false,
  seed: 1,
};

const withAdapters: typeof stage = {
  ...stage,
  lora: { r: 4, alpha: 8, targetModules: 'all-linear', dropout: 0 },
};

/** With the state of a single worker before its first step. */
function open(opened = stage): PolicyEngine {
  const engine = new PolicyEngine({ stage: opened });
  const parts = emptyParts(engine.opened().layout, { rank: 0, worldSize: 1 });
  engine.takeState({ weights: 0, parts });
  return engine;
}

const sequences = [
  { ids: Int32Array.from([0, 44, 281, 80, 83]), completionStart: 2 },
  { ids: Int32Array.from([0, 225, 285, 69, 72, 270, 75]), completionStart: 3 },
  { ids: Int32Array.from([0, 88, 298]), completionStart: 1 },
];

function leafTask(index: number, slot: number, accumulate: boolean): LeafTask {
  return {
    examples: [
      {
        completions: [sequences[index]!],
        desirable: index !== 1,
        score: null,
        reference: { completions: [{ logp: -10, tokenLogps: null }], mismatched: null },
      },
    ],
    statistics: { z0: 0.25 },
    counts: { examples: sequences.length, completionTokens: 0, chosenTokens: 0 },
    slot,
    accumulate,
  };
}

/** Sums the gradients of all leaves into the owned part, as the step does on one worker; returns the norm. */
function sumGradients(engine: PolicyEngine, taskOf = leafTask): number {
  const plan = accumulationPlan({ first: 0, count: sequences.length }, sequences.length);
  engine.reserveSlots(plan.slotCount);
  for (const { leaf, slot, accumulate, merges } of plan.steps)
    engine.leafGradient({ ...taskOf(leaf, slot, accumulate), merges });
  const parts = plan.nodes.map(({ node }) => ({ node, memory: null }));
  const slots = new Map(plan.nodes.map(({ node, slot }) => [node.firstLeaf, slot]));
  return gradientNorm(engine.finishGradient(parts, slots, sequences.length));
}

/** Every token's reward to go is ±1, and the critic's loss weighs as much as the policy's. */
const withCritic: typeof stage = {
  ...stage,
  objective: { method: 'ppo_clip', clipRange: 0.5, klCoef: 0.1, gamma: 1, lam: 0.95, criticCoef: 1 },
};

const score = (engine: PolicyEngine) => engine.score(sequences).map(({ logp }) => logp);

const propose = (engine: PolicyEngine, step: number) =>
  engine.proposeWeights({ step, learningRate: 1e-3, clip: 1 });

describe('PolicyEngine', () => {
  test('what the scores of other completions have computed, the gradient and the losses do not compute again', () => {
    const engine = open();
    engine.reserveSlots(2);
    const start = liveTensors();
    const task = leafTask(1, 0, false);
    const own = task.examples.flatMap(({ completions }) => completions);
    const branches = [{ ids: Int32Array.from([0, 225, 285, 9, 8]), completionStart: 3 }];
    const gradient = () => Float32Array.from(new Float32Array(engine.reserveSlots(2)[0]![0]!));
    const terms = engine.leafGradient(task);
    const wanted = gradient();
    const scores = engine.scoreBranches({ own, branches, holds: false });
    assert.deepEqual(engine.leafTerms(task), terms);
    assert.deepEqual(engine.scoreBranches({ own, branches, holds: true }), scores);
    assert.deepEqual(engine.leafTerms(task), terms);
    engine.scoreBranches({ own, branches, holds: true });
    engine.leafGradient(leafTask(0, 0, false));
    assert.notDeepEqual(gradient(), wanted);
    assert.deepEqual(engine.leafGradient(task), terms);
    assert.deepEqual(gradient(), wanted);
    assert.equal(liveTensors(), start);

    // Weights that change make it worthless.
    engine.scoreBranches({ own, branches, holds: true });
    engine.scoreBranches({ own, branches, holds: false });
    sumGradients(engine);
    engine.scoreBranches({ own, branches, holds: true });
    propose(engine, 1);
    engine.commit();
    assert.equal(liveTensors(), start);
    assert.notDeepEqual(engine.leafTerms(task), terms);
  });

  test('a step that is proposed and not committed changes nothing; committed, it changes the log-probs', () => {
    const engine = open();
    const before = score(engine);
    const norm = sumGradients(engine);
    propose(engine, 1);
    assert.deepEqual(score(engine), before);
    assert.equal(sumGradients(engine), norm, 'the step done again gives the same gradient');
    propose(engine, 1);
    engine.commit();
    const after = score(engine);
    assert.notDeepEqual(after, before);
    assert.ok(
      after[0]! > before[0]! && after[1]! < before[1]!,
      'the desirable one gains, the undesirable one loses',
    );
    engine.dispose();
  });

  test('the gradient is the slope of the loss that the terms report', () => {
    const engine = open();
    const loss = () =>
      sequences.reduce((sum, _, i) => {
        engine.reserveSlots(1);
        return sum + engine.leafGradient(leafTask(i, 0, false)).reduce((total, term) => total + term.loss, 0);
      }, 0);
    const before = loss();
    const norm = sumGradients(engine);
    // A step of AdamW with zero moments moves every parameter by lr·sign(g): the loss falls by about lr·‖g‖₁.
    propose(engine, 1);
    engine.commit();
    const fall = before - loss();
    assert.ok(fall > 0.5 * 1e-3 * norm, `loss fell by ${fall}, gradient norm ${norm}`);
    engine.dispose();
  });

  test('many steps leave no tensor behind, and disposing frees all', () => {
    const atStart = liveTensors();
    const engine = open();
    sumGradients(engine);
    propose(engine, 1);
    engine.commit();
    const afterOne = liveTensors();
    for (let step = 2; step <= 6; step++) {
      score(engine);
      sumGradients(engine);
      propose(engine, step);
      engine.commit();
    }
    assert.equal(liveTensors(), afterOne);
    engine.dispose();
    assert.equal(liveTensors(), atStart);
  });

  for (const model of ['llama', 'mistral', 'adapters on llama']) {
    test(`tensors are told of once they are final, of ${model}, and the sum has the tree's bits`, () => {
      const options = {
        stage: model.startsWith('adapters')
          ? withAdapters
          : { ...stage, model: fixturePath(`models/${model}`) },
      };
      const leafCount = 4;
      const taskOf = (leaf: number, slot: number, accumulate: boolean) =>
        leafTask(leaf % sequences.length, slot, accumulate);
      const plan = accumulationPlan({ first: 0, count: leafCount }, leafCount);

      const alone = new PolicyEngine(options);
      const [memory] = alone.reserveSlots(1);
      const leaves = Array.from({ length: leafCount }, (_, leaf) => {
        alone.leafGradient(taskOf(leaf, 0, false));
        return valuesOf(FlatBuffer.wrap(alone.opened().layout, memory!));
      });

      const told: number[] = [];
      const seen = new Map<number, Float32Array>();
      const byTensor: PolicyEngine = new PolicyEngine(options, (offset) => {
        told.push(offset);
        seen.set(offset, sum.tensor(layout.tensors.find((place) => place.offset === offset)!).slice());
      });
      const { layout } = byTensor.opened();
      const slots = byTensor.reserveSlots(plan.slotCount);
      const sum = FlatBuffer.wrap(layout, slots[0]!);
      for (const { leaf, slot, accumulate, merges, completes } of plan.steps) {
        assert.equal(told.length, 0);
        byTensor.leafGradient({ ...taskOf(leaf, slot, accumulate), merges, completes });
      }
      assert.deepEqual(
        [...told].sort((a, b) => a - b),
        layout.tensors.map(({ offset }) => offset),
      );
      for (const place of layout.tensors)
        assert.deepEqual(seen.get(place.offset), sum.tensor(place), `${place.name} changed later`);
      assert.ok(sameBits(valuesOf(sum), treeSum(leaves, rootOf(leafCount))));
      for (const engine of [alone, byTensor]) engine.dispose();
    });
  }

  test('the starting weights can be had again, and training goes on from any state that is given', () => {
    const engine = open();
    const { layout } = engine.opened();
    const before = score(engine);
    sumGradients(engine);
    propose(engine, 1);
    const weights = engine.commit();
    assert.equal(weights, 1);
    const after = score(engine);
    engine.loadInitial(0);
    assert.deepEqual(score(engine), after, 'what is current stays');
    engine.takeState({ weights: 0, parts: emptyParts(layout, { rank: 0, worldSize: 1 }) });
    assert.deepEqual(score(engine), before);
    sumGradients(engine);
    propose(engine, 1);
    engine.commit();
    assert.deepEqual(score(engine), after, 'the same step from the same state, to the same bits');
    engine.dispose();
  });

  test('a second owner of a part moves its moments as the owner does', () => {
    const places = [0, 1].map((rank) => ({ rank, worldSize: 2 }));
    const [alone, ...pair] = [open(), open(), open()];
    const { layout } = alone.opened();
    const parts = places.map((place) => emptyParts(layout, place));
    pair.forEach((engine, rank) => engine.takeState({ weights: 0, parts: parts[rank]! }));
    for (const engine of pair) sumGradients(engine);
    parts.forEach(({ backup }, rank) => {
      const [memory] = pair[1 - rank]!.reserveSlots(1);
      const [gradient] = FlatBuffer.wrap(layout, memory!).slices(backup!.range);
      new Float32Array(backup!.gradient).set(gradient!);
    });
    for (const engine of pair) {
      propose(engine, 1);
      engine.commit();
    }
    parts.forEach(({ backup }, rank) => {
      const { owned } = parts[1 - rank]!;
      assert.deepEqual(new Float32Array(backup!.mean), new Float32Array(owned.mean));
      assert.deepEqual(new Float32Array(backup!.variance), new Float32Array(owned.variance));
      assert.ok(new Float32Array(owned.variance).some((value) => value > 0));
    });
    for (const engine of [alone, ...pair]) engine.dispose();
  });

  test('steps have the same bits by one thread and by three, whatever range a rank owns', () => {
    const train = (place: Place, threads: SideThreads) => {
      const engine = new PolicyEngine({ stage }, undefined, threads);
      const { layout, weights } = engine.opened();
      const parts = emptyParts(layout, place);
      engine.takeState({ weights: 0, parts });
      const norms = [1, 2].map((step) => {
        const norm = sumGradients(engine);
        propose(engine, step);
        engine.commit();
        return norm;
      });
      const { mean, variance, range } = parts.owned;
      const arrays = [valuesOf(FlatBuffer.wrap(layout, weights[0])), mean, variance].map((values) =>
        Buffer.from(values instanceof Float32Array ? values.slice().buffer : values),
      );
      engine.dispose();
      return { norms, arrays, range };
    };
    const [one, three] = [new SideThreads(1), new SideThreads(3, BLOCK_SIZE)];
    // The first worker of many owns nothing.
    for (const place of [
      { rank: 0, worldSize: 1 },
      { rank: 1, worldSize: 2 },
      { rank: 0, worldSize: 1000 },
    ]) {
      const [alone, together] = [train(place, one), train(place, three)];
      assert.deepEqual(together, alone);
      assert.equal(alone.range.start === alone.range.end, place.worldSize === 1000);
      assert.equal(alone.norms[0]! > 0, place.worldSize < 1000);
    }
  });

  test('a gradient that is not finite is told by its parameter, and by slot', () => {
    const engine = open();
    const bad = (index: number, slot: number, accumulate: boolean): LeafTask => {
      const task = leafTask(index, slot, accumulate);
      return index === 1 ? { ...task, statistics: { z0: Number.NaN } } : task;
    };
    assert.equal(Number.isFinite(sumGradients(engine, bad)), false);
    assert.match(engine.nonFiniteParameter() ?? '', /^model\./);
    engine.leafGradient(bad(1, 0, false));
    assert.equal(engine.isFinite(0), false);
    engine.leafGradient(bad(0, 0, false));
    assert.equal(engine.isFinite(0), true);
    sumGradients(engine);
    assert.equal(engine.nonFiniteParameter(), null);
    engine.dispose();
  });

  test('a commit without a proposal is a defect that shows', () => {
    const engine = open();
    assert.throws(() => engine.commit(), /committed that was not computed/);
    engine.dispose();
  });
});

describe('PolicyEngine with a critic', () => {
  test('the critic learns the rewards to go, and steps leave no tensor behind', () => {
    const atStart = liveTensors();
    const engine = open(withCritic);
    const reference = engine.score(sequences);
    const taskOf = (index: number, slot: number, accumulate: boolean): LeafTask => {
      const [example] = leafTask(index, slot, accumulate).examples;
      return {
        examples: [{ ...example!, reference: { completions: [reference[index]!], mismatched: null } }],
        statistics: { advantages: { mean: 0, variance: 1 } },
        counts: { examples: sequences.length, completionTokens: 9, chosenTokens: 0 },
        slot,
        accumulate,
      };
    };
    const errors = () =>
      engine.values(sequences).map((values, i) => {
        const toGo = i === 1 ? -1 : 1;
        return values.reduce((total, value) => total + (value - toGo) ** 2, 0) / values.length;
      });
    assert.deepEqual(errors(), [1, 1, 1], 'it begins at 0');
    const live: number[] = [];
    for (let step = 1; step <= 30; step++) {
      sumGradients(engine, taskOf);
      propose(engine, step);
      engine.commit();
      live.push(liveTensors());
    }
    errors().forEach((error, i) => assert.ok(error < 0.9, `completion ${i}: squared error ${error}`));
    assert.equal(new Set(live).size, 1, `tensors by step: ${live.join(', ')}`);
    engine.dispose();
    assert.equal(liveTensors(), atStart);
  });

  test('a method without one has no values', () => {
    const engine = open();
    assert.throws(() => engine.values(sequences), /the method needs a critic/);
    engine.dispose();
  });
});

describe('PolicyEngine judges held-out rows', () => {
  /** All rows as one leaf: a padded batch, of which the golden cases have none. */
  const rows: LeafInputs = {
    examples: sequences.map((sequence, i) => ({
      completions: [sequence],
      desirable: i !== 1,
      score: null,
      reference: {
        completions: [{ logp: -10, tokenLogps: Float32Array.from({ length: 6 }, () => -3) }],
        mismatched: null,
      },
    })),
    statistics: { z0: 0.25, advantages: { mean: 0.1, variance: 0.9 } },
    counts: { examples: sequences.length, completionTokens: 9, chosenTokens: 0 },
  };

  const engines = { 'all weights': stage, adapters: withAdapters, 'a critic': withCritic };
  for (const [what, opened] of Object.entries(engines)) {
    test(`with ${what}: the bits of a training step, and nothing changes`, () => {
      const engine = open(opened);
      const [memory] = engine.reserveSlots(1);
      const slot = () => valuesOf(FlatBuffer.wrap(engine.opened().layout, memory!));
      const weights = () => valuesOf(FlatBuffer.wrap(engine.opened().layout, engine.opened().weights[0]));
      // Away from the start, where the critic says 0 and adapters change nothing.
      const train = () => engine.leafGradient({ ...rows, slot: 0, accumulate: false });
      train();
      const plan = { parts: [{ node: rootOf(1), memory: null }], slots: new Map([[0, 0]]) };
      engine.finishGradient(plan.parts, plan.slots, 1);
      propose(engine, 1);
      engine.commit();
      const [gradient, kept] = [slot(), weights()];
      const live = liveTensors();
      const judged = engine.leafTerms(rows);
      assert.equal(liveTensors(), live, 'no tensor is left behind');
      assert.ok(sameBits(slot(), gradient) && sameBits(weights(), kept));
      assert.deepEqual(train(), judged);
      assert.ok(judged.every(({ loss, logps }) => Number.isFinite(loss) && logps[0]! < 0));
      engine.dispose();
    });
  }
});

describe('PolicyEngine continues prompts', () => {
  const options = { maxNewTokens: 5, temperature: 0.8, topP: 1, seed: 3, stopIds: [] };
  const prompts = sequences.map(({ ids }) => ids);

  /** The first tokens, by prompt. */
  function draw(engine: PolicyEngine, task: SamplingTask, atMost = Infinity): number[][] {
    const replies = task.prompts.map((): number[] => []);
    engine.beginSampling(task);
    for (let count = 0; count < atMost; count++) {
      const next = engine.nextToken();
      if (next === null) break;
      if (next.token !== null) replies[next.prompt]!.push(next.token);
    }
    engine.endSampling();
    return replies;
  }

  test('by the weights that are named, whether they are current or not', () => {
    const engine = open();
    const before = draw(engine, { weights: 0, prompts, options });
    assert.deepEqual(before, draw(engine, { weights: 0, prompts, options }));
    assert.ok(before.every(({ length }) => length > 0 && length <= 5));
    sumGradients(engine);
    engine.proposeWeights({ step: 1, learningRate: 1, clip: 1 });
    engine.commit();
    assert.deepEqual(draw(engine, { weights: 0, prompts, options }), before);
    assert.notDeepEqual(draw(engine, { weights: 1, prompts, options }), before);
    engine.dispose();
  });

  test('and leaves no tensor behind where it is broken off', () => {
    const atStart = liveTensors();
    const engine = open();
    const live = liveTensors();
    for (const atMost of [0, 1, 7]) draw(engine, { weights: 0, prompts, options }, atMost);
    assert.equal(liveTensors(), live);
    engine.beginSampling({ weights: 0, prompts, options });
    engine.nextToken();
    engine.dispose();
    assert.equal(liveTensors(), atStart);
  });
});
