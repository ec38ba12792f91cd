import { createHash } from 'node:crypto';

import { FrameError } from './frame.js';

/** Bytes that are equal on two ranks where `facts` are: what an operation rests on and does not send. */
export const digestOf = (facts: unknown) => createHash('sha256').update(JSON.stringify(facts)).digest();

/** @throws FrameError where a peer's digest is not this rank's. */
export function mustAgree(own: Buffer, theirs: Uint8Array, what: string): void {
  if (!own.equals(theirs)) throw new FrameError(`the digest of another ${what}`);
}
