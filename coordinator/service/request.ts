import { ConfigError } from '../../lib/errors.js';

/** A number of bytes that a request says. @throws ConfigError for what can be none */
export function requireBytes(value: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new ConfigError(`${what} must be a whole number of bytes, not ${value}`);
}
