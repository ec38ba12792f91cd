import { z } from 'zod';
import { messageOf, RunError } from '../../../lib/errors.js';

const number = z.number().nullable();

/** What progress shows of a line of metrics.jsonl; null where the method or the batch has no such number. */
const StepMetrics = z.object({
  step: z.int().positive(),
  loss: number,
  kl: number,
  'rewards/margins': number,
  /** Prompt and completion tokens since the stage's start. */
  num_tokens: z.number(),
});
export type StepMetrics = z.infer<typeof StepMetrics>;

/** @throws RunError where the coordinator sent something else. */
export function parseStepMetrics(json: string): StepMetrics {
  return parseMetrics(StepMetrics, json);
}

/** A line of evaluations.jsonl. */
const Evaluation = z.record(z.string(), z.unknown());

/** @throws RunError where the coordinator sent something else. */
export function parseEvaluation(json: string): z.infer<typeof Evaluation> {
  return parseMetrics(Evaluation, json);
}

function parseMetrics<Schema extends z.ZodType>(schema: Schema, json: string): z.infer<Schema> {
  try {
    return schema.parse(JSON.parse(json));
  } catch (error) {
    throw new RunError(`the coordinator sent metrics that cannot be read: ${messageOf(error)}`);
  }
}
