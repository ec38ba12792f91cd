import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** Damages a file in place: one bit of one byte. */
export function flipBit(path: string, position: number, bit = 0): void {
  const descriptor = openSync(path, 'r+');
  try {
    const byte = new Uint8Array(1);
    if (readSync(descriptor, byte, 0, 1, position) !== 1)
      throw new RangeError(`${path} ends before ${position}`);
    byte[0]! ^= 1 << bit;
    writeSync(descriptor, byte, 0, 1, position);
  } finally {
    closeSync(descriptor);
  }
}
