import { clear, found, type Rule } from './observation.js';

/** Batches in a row without any completion of a class. */
export const CLASS_MISSING_STEPS = 20;

const classes = [
  { key: 'rewards/chosen', other: 'rewards/rejected', name: 'desirable' },
  { key: 'rewards/rejected', other: 'rewards/chosen', name: 'undesirable' },
] as const;

/** The last CLASS_MISSING_STEPS batches have one class only. It has cleared when one of them has both. */
export const classMissing: Rule = (steps) => {
  const last = steps.slice(-CLASS_MISSING_STEPS).map(({ row }) => row);
  const verdicts = new Map<string, ReturnType<typeof found>>();
  if (last.length < CLASS_MISSING_STEPS) return verdicts;
  for (const { key, other, name } of classes) {
    // A method without rewards has neither.
    const missing = last.every((row) => row[key] === null && row[other] !== null);
    const line =
      `no ${name} row in the last ${CLASS_MISSING_STEPS} batches: the model learns from one side only; ` +
      'set shuffle: true, take a larger global_batch_size, or add rows of that class';
    verdicts.set(`class-missing:${name}`, missing ? found(line) : clear);
  }
  return verdicts;
};
