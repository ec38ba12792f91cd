import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldGradient, proposeWeights, zeroMoments } from '../../../../worker/optimizer/adamw.js';

/** torch.optim.AdamW (torch 2.15.0, float32): lr 1e-2, betas (0.9, 0.99), eps 1e-6, weight_decay 0.1. */
const start = [0.5, -1.25, 3.0, 1e-3];
const gradients = [
  [0.1, -2.0, 0.0, 1e-4],
  [0.3, 1.0, 1e-5, -1e-4],
  [-0.2, 0.5, 2.0, 0.0],
];
const torchWeights = [
  [0.48950010538101196, -1.2387499809265137, 2.996999979019165, -0.008901990018785],
  [0.4798493981361389, -1.2348443269729614, 2.9874963760375977, -0.008371983654797077],
  [0.47679299116134644, -1.232993721961975, 2.978149652481079, -0.007960788905620575],
];
const torchMean = [0.015100003220140934, -0.02199999988079071, 0.20000091195106506, -8.999998044600943e-7];
const torchVariance = [
  0.0013890101108700037, 0.051603998988866806, 0.03999999910593033, 1.9701000553151715e-10,
];

const settings = { adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-6, weightDecay: 0.1 };

function close(actual: Float32Array, expected: readonly number[], what: string): void {
  expected.forEach((value, i) => {
    assert.ok(
      Math.abs(actual[i]! - value) <= 1e-6 * Math.max(Math.abs(value), 1e-3),
      `${what}[${i}]: ${actual[i]}, torch ${value}`,
    );
  });
}

test('three steps give what torch gives', () => {
  let weights = Float32Array.from(start);
  const moments = zeroMoments(start.length);
  gradients.forEach((values, i) => {
    const gradient = Float32Array.from(values);
    const into = new Float32Array(start.length);
    proposeWeights({ weights, gradient, into }, moments, settings, {
      step: i + 1,
      learningRate: 1e-2,
      clip: 1,
    });
    foldGradient(gradient, moments, settings, 1);
    weights = into;
    close(weights, torchWeights[i]!, `weights after step ${i + 1}`);
  });
  close(moments.mean, torchMean, 'mean');
  close(moments.variance, torchVariance, 'variance');
});

test('a step that is proposed and never committed has changed nothing', () => {
  const weights = Float32Array.from(start);
  const moments = zeroMoments(start.length);
  const gradient = Float32Array.from(gradients[0]!);
  foldGradient(gradient, moments, settings, 1);
  const before = [...moments.mean, ...moments.variance];
  const propose = () => {
    const into = new Float32Array(start.length);
    proposeWeights({ weights, gradient, into }, moments, settings, {
      step: 2,
      learningRate: 1e-2,
      clip: 0.5,
    });
    return into;
  };
  assert.deepEqual(propose(), propose());
  assert.deepEqual([...weights], [...Float32Array.from(start)]);
  assert.deepEqual([...moments.mean, ...moments.variance], before);
});
