/** Shared buffers that are kept from one step to the next: a new one costs more than what is received into it. */
export class StagingMemory {
  private readonly buffers: SharedArrayBuffer[] = [];

  /** The buffer `index`, of exactly this size. The same one as long as the size stays the same. */
  take(index: number, byteLength: number): SharedArrayBuffer {
    let buffer = this.buffers[index];
    if (buffer?.byteLength !== byteLength) {
      buffer = new SharedArrayBuffer(byteLength);
      this.buffers[index] = buffer;
    }
    return buffer;
  }
}
