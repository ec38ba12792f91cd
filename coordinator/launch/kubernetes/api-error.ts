/** The API server's answer to a call that it did not do, or that there was none. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /** @param status of HTTP; 0 where there was no answer */
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }

  /** Whether the same call may be answered otherwise later: a server that is away or busy, an object that has changed. */
  get isTransient(): boolean {
    return this.status === 0 || this.status >= 500 || transient.has(this.status);
  }

  /** What was asked for is there already, or is another one than was meant. */
  get isConflict(): boolean {
    return this.status === 409;
  }

  /** The history that a watch asked for is gone. */
  get isExpired(): boolean {
    return this.status === 410;
  }
}

const transient: ReadonlySet<number> = new Set([401, 408, 409, 410, 429]);
