import { RECOMMENDED_RATIO, recommendedWeights, weightedRatio } from '../../lib/methods/weights.js';
import type { StageFacts } from './observation.js';

/** Share of prompts or completions from which on it is said that they were cut. */
export const CUT_SHARE = 0.05;

/** A condition of a stage that its data and settings decide, and that therefore holds for all of it. */
export interface StageFinding {
  readonly key: string;
  readonly line: string;
}

export function stageFindings(facts: StageFacts): StageFinding[] {
  return [...classFindings(facts), ...cutFindings(facts)];
}

/** A class that is missing, or else class weights outside the interval that the KTO paper recommends. */
function classFindings({ objective, desirable, undesirable }: StageFacts): StageFinding[] {
  if (!('desirableWeight' in objective)) return [];
  if (desirable === 0 || undesirable === 0) {
    const name = desirable === 0 ? 'desirable' : 'undesirable';
    return [
      {
        key: `class-missing:${name}`,
        line: `no ${name} row: the model learns from one side only; add some, or use sft`,
      },
    ];
  }
  const ratio = weightedRatio(objective, desirable, undesirable);
  // A weight from `auto` may lie on a bound, give or take a rounding error.
  if (ratio > RECOMMENDED_RATIO.low - 1e-9 && ratio < RECOMMENDED_RATIO.high + 1e-9) return [];
  const better = recommendedWeights(desirable, undesirable)!;
  const line =
    `desirable_weight ${objective.desirableWeight} × ${desirable} over undesirable_weight ` +
    `${objective.undesirableWeight} × ${undesirable} is ${ratio.toFixed(2)}, and 1 to 1.33 is recommended: ` +
    `set desirable_weight ${Number(better.desirableWeight.toPrecision(3))} and undesirable_weight ` +
    `${Number(better.undesirableWeight.toPrecision(3))}, or one of them to auto`;
  return [{ key: 'class-weights', line }];
}

function cutFindings({
  rows,
  promptsCut,
  completionsCut,
  maxLength,
  maxPromptLength,
}: StageFacts): StageFinding[] {
  const findings: StageFinding[] = [];
  const percent = (count: number) => `${Math.round((100 * count) / rows)} %`;
  if (completionsCut > CUT_SHARE * rows) {
    findings.push({
      key: 'completions-cut',
      line:
        `${completionsCut} completions (${percent(completionsCut)}) lost their end to max_length ${maxLength}: the model ` +
        'learns to break off; raise max_length, or leave such rows out',
    });
  }
  if (promptsCut > CUT_SHARE * rows) {
    findings.push({
      key: 'prompts-cut',
      line:
        `${promptsCut} prompts (${percent(promptsCut)}) lost their beginning to max_prompt_length ${maxPromptLength}: ` +
        'raise max_prompt_length',
    });
  }
  return findings;
}
