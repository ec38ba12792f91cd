import { InvalidArgumentError } from 'commander';

/** Parsers of options that are whole numbers. */
export const atLeastOne = (text: string) => parseCount(text, 1);
export const atLeastTwo = (text: string) => parseCount(text, 2);

function parseCount(text: string, least: number): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < least) {
    throw new InvalidArgumentError(`must be a whole number of at least ${least}`);
  }
  return count;
}
