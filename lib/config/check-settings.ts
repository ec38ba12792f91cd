import type { DpoLossType } from '../methods/config.js';
import { controlsOf, humanlineOf, METHOD_DEFAULTS } from './resolve-objective.js';
import type { RunDocument } from './run-document.js';
import { isGiven, type MergedStage } from './stages.js';
import type { Validated } from './validate.js';

/** Reports settings of a stage's method that do not go together. Those that it does not read are not its business. */
export function checkSettings(document: RunDocument, sound: Validated['sound'], stage: MergedStage): void {
  const { keys, at } = stage;
  const report: Report = (key, message) => document.report(at(key), message);
  if (sound('desirable_weight', 'undesirable_weight')) checkWeights(report, stage);
  if (sound('humanline', 'log_epsilon_p', 'log_epsilon_r')) checkHumanline(report, stage);
  if (sound('score_scale', 'min', 'max', 'neutral')) checkScoreScale(report, stage);
  if (keys.method === 'dpo' && sound('loss_type', 'label_smoothing')) checkLabelSmoothing(report, stage);
  if (keys.method === 'csft' && sound('desirable_control', 'undesirable_control')) {
    const { desirableControl, undesirableControl } = controlsOf(keys);
    if (desirableControl === undesirableControl) {
      report(
        'undesirable_control',
        'is the same as desirable_control, which tells nothing apart; change one',
      );
    }
  }
}

type Report = (key: Parameters<MergedStage['at']>[0], message: string) => void;

function checkWeights(report: Report, { keys }: MergedStage): void {
  const { desirable_weight: desirable, undesirable_weight: undesirable } = keys;
  if (desirable === 0 && undesirable === 0) {
    report('desirable_weight', 'is 0, and so is undesirable_weight: no example would count; raise one');
  }
  if (desirable === 'auto' && undesirable === 'auto') {
    report('desirable_weight', 'is auto, and so is undesirable_weight; give one of them a number, such as 1');
  }
  for (const [key, weight, other] of [
    ['desirable_weight', desirable, undesirable],
    ['undesirable_weight', undesirable, desirable],
  ] as const) {
    if (weight === 'auto' && other === 0) {
      report(key, 'is auto beside a weight of 0, which would make it 0 too; raise that one');
    }
  }
}

function checkHumanline(report: Report, { keys }: MergedStage): void {
  const humanline = humanlineOf(keys);
  if (humanline === null) return;
  const { logEpsilonP: low, logEpsilonR: high } = humanline;
  if (low >= high) report('humanline', `log_epsilon_p (${low}) must be less than log_epsilon_r (${high})`);
}

function checkScoreScale(report: Report, { keys }: MergedStage): void {
  if (!isGiven(keys.score_scale)) return;
  const { min, max, neutral } = keys.score_scale;
  if (min === undefined || max === undefined || neutral === undefined) {
    report('score_scale', 'must have min, max and neutral, such as {min: 1, max: 5, neutral: 3}');
  } else if (!(min <= neutral && neutral <= max && min < max)) {
    report('score_scale', `must have min ≤ neutral ≤ max and min < max, not ${min}, ${neutral} and ${max}`);
  }
}

const SMOOTHED: readonly DpoLossType[] = ['sigmoid', 'sigmoid_norm', 'robust', 'exo_pair'];

function checkLabelSmoothing(report: Report, { keys }: MergedStage): void {
  const lossType = keys.loss_type ?? METHOD_DEFAULTS.lossType;
  const smoothing = keys.label_smoothing ?? METHOD_DEFAULTS.labelSmoothing;
  if (lossType === 'exo_pair' && smoothing === 0) {
    const key = keys.label_smoothing === undefined ? 'loss_type' : 'label_smoothing';
    report(key, 'exo_pair needs a label_smoothing greater than 0; its paper recommends 0.001');
  }
  if (!SMOOTHED.includes(lossType) && smoothing !== 0) {
    report('label_smoothing', `loss_type ${lossType} does not read it; remove it`);
  }
}
