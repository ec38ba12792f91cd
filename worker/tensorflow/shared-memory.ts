import { allocateMemory } from '../simd/web-assembly.js';

/**
 * Zeros that threads can share and TensorFlow can use in place: at least `bytes` of them, from the start of a memory page.
 * A plain `new SharedArrayBuffer` starts anywhere, and TensorFlow copies whatever does not start on 64 bytes.
 */
export function allocateShared(bytes: number): SharedArrayBuffer {
  return allocateMemory(bytes).buffer;
}
