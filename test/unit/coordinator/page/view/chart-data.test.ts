import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chartData, lastValueAt } from '../../../../../coordinator/page/view/chart-data.js';
import { chartsOf, type DrawnCurves } from '../../../../../coordinator/page/view/charts.js';
import {
  addPoint,
  curveKeys,
  emptyCurve,
  evaluationKeys,
} from '../../../../../coordinator/page/view/curve.js';

function curves(evaluated: readonly number[]): DrawnCurves {
  const [curve, evaluations] = [emptyCurve(curveKeys), emptyCurve(evaluationKeys)];
  for (const step of [1, 2, 4]) addPoint(curve, step, { loss: step, grad_norm: 1 });
  for (const step of evaluated) addPoint(evaluations, step, { eval_loss: 10 * step });
  return { curve, evaluations };
}

describe('the charts of a stage', () => {
  test('without held-out rows are those of the training alone', () => {
    const drawn = curves([]);
    const specs = chartsOf(drawn);
    assert.deepEqual(
      specs.map(({ title, heldOut }) => [title, heldOut.length]),
      [
        ['Loss', 0],
        ['Gradient norm', 0],
      ],
    );
    assert.equal(chartData(specs[0]!, drawn).steps, drawn.curve.steps);
  });

  test('have one axis for the steps of both, each line with its own points', () => {
    const drawn = curves([0, 2, 3]);
    const [loss, gradNorm] = chartsOf(drawn);
    const { steps, series } = chartData(loss!, drawn);
    assert.deepEqual(steps, [0, 1, 2, 3, 4]);
    assert.deepEqual(
      series.map(({ mean }) => mean),
      [
        [null, 1, 2, null, 4],
        [0, null, 20, 30, null],
      ],
    );
    assert.deepEqual(series[1]!.low, series[1]!.mean);
    assert.deepEqual(chartData(gradNorm!, drawn).steps, steps);
  });

  test('what only held-out rows have is a chart too', () => {
    const drawn = curves([0]);
    addPoint(drawn.evaluations, 5, { 'eval_accuracy/chosen': 0.5, 'eval_accuracy/rejected': 0.75 });
    const accuracy = chartsOf(drawn).find(({ title }) => title === 'Accuracy')!;
    assert.deepEqual(accuracy.lines, []);
    assert.deepEqual(
      accuracy.heldOut.map(({ label }) => label),
      ['chosen', 'rejected'],
    );
  });
});

test('the last value up to a place', () => {
  const values = [null, 1, null, 3];
  assert.equal(lastValueAt(values, 0), null);
  assert.deepEqual(lastValueAt(values, 2), { place: 1, value: 1 });
  assert.deepEqual(lastValueAt(values, 3), { place: 3, value: 3 });
  assert.equal(lastValueAt([], -1), null);
});
