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

/** A whole line of metrics.jsonl, or of evaluations.jsonl. */
const StepRow = z.record(z.string(), z.unknown());
export type StepRow = Readonly<z.infer<typeof StepRow>>;

/** @throws RunError where the coordinator sent something else. */
export const parseStepMetrics = (json: string): StepMetrics => parse(StepMetrics, json);

/** @throws RunError where the coordinator sent something else. */
export const parseStepRow = (json: string): StepRow => parse(StepRow, json);

function parse<T>(schema: z.ZodType<T>, json: string): T {
  try {
    return schema.parse(JSON.parse(json));
  } catch (error) {
    throw new RunError(`the coordinator sent metrics that cannot be read: ${messageOf(error)}`);
  }
}
