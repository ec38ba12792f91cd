/** A row as it comes in chunk by chunk. */
export class Pieces {
  readonly #maxBytes: number;
  readonly #tooLong: () => Error;
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** @param tooLong the error for a row of more than `maxBytes` */
  constructor(maxBytes: number, tooLong: () => Error) {
    this.#maxBytes = maxBytes;
    this.#tooLong = tooLong;
  }

  /** @throws the error for a row that is too long. */
  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxBytes) throw this.#tooLong();
    this.#pieces.push(piece);
  }

  /** The row, which ends here; the next one begins. */
  take(): Buffer {
    const row = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return row;
  }
}
