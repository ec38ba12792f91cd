/** Quantiles of numbers as they come, by the nearest-rank method. */
export class Quantiles {
  readonly #values: number[] = [];
  #sorted = true;

  add(value: number): void {
    this.#values.push(value);
    this.#sorted = false;
  }

  /**
   * The least value that a share `q` of all values does not exceed.
   * @param q 0 … 1
   * @throws RangeError without any value.
   */
  at(q: number): number {
    if (!this.#sorted) this.#values.sort((a, b) => a - b);
    this.#sorted = true;
    const value = this.#values[Math.max(0, Math.ceil(q * this.#values.length) - 1)];
    if (value === undefined) throw new RangeError('no values');
    return value;
  }
}
