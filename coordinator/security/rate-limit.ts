/** How much one caller may do. */
export interface Rate {
  /** At once. */
  readonly burst: number;
  /** In the long run. */
  readonly perSecond: number;
}

interface Bucket {
  left: number;
  filledAtMs: number;
}

/** Callers that are remembered: so many may be at work at once; who was forgotten starts with a full bucket. */
const MAX_CALLERS = 10_000;

/** A bucket of allowances for each caller, which fills up at a steady rate. */
export class RateLimit {
  /** The one that asked last comes last. */
  private readonly buckets = new Map<string, Bucket>();

  constructor(
    private readonly rate: Rate,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whether the caller may do one more thing now. */
  take(caller: string): boolean {
    const { burst, perSecond } = this.rate;
    const nowMs = this.now();
    const bucket = this.buckets.get(caller) ?? { left: burst, filledAtMs: nowMs };
    bucket.left = Math.min(burst, bucket.left + ((nowMs - bucket.filledAtMs) / 1000) * perSecond);
    bucket.filledAtMs = nowMs;
    this.remember(caller, bucket);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }

  private remember(caller: string, bucket: Bucket): void {
    this.buckets.delete(caller);
    this.buckets.set(caller, bucket);
    if (this.buckets.size <= MAX_CALLERS) return;
    const [oldest] = this.buckets.keys();
    this.buckets.delete(oldest!);
  }
}
