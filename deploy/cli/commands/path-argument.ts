import { InvalidArgumentError } from 'commander';

/** A path as it was given. An empty one is an unset shell variable, and would mean the working directory. */
export function parsePath(text: string): string {
  if (text === '') throw new InvalidArgumentError('must not be empty');
  return text;
}
