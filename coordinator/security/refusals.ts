import { Counter, type Registry } from 'prom-client';
import type { Logger } from '../../lib/log.js';

/**
 * Why somebody was refused: no certificate of ours, or a bad one; no token, or a wrong one; a right that the role lacks; too
 * many calls or connections.
 */
export const refusalReasons = ['certificate', 'token', 'role', 'rate'] as const;
export type RefusalReason = (typeof refusalReasons)[number];

/** What is known of a refused call or connection. Never its token. */
export interface Refused {
  /** The address that it came from. */
  readonly from: string;
  readonly who?: string;
  readonly method?: string;
  readonly why: string;
}

/** A flood must not fill the disk with lines about itself. */
const LINE_INTERVAL_MS = 1_000;

/** Counts those who were refused, and logs them: at most one line a second for each reason, which says how many it stands for. */
export class Refusals {
  private readonly total: Counter<'reason'>;
  private readonly silent = new Map<RefusalReason, { lastLineMs: number; unsaid: number }>();

  constructor(
    registry: Registry,
    private readonly log: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.total = new Counter({
      name: 'prospect_refused_calls_total',
      help: 'Calls and connections that the coordinator refused, by reason',
      labelNames: ['reason'],
      registers: [registry],
    });
    for (const reason of refusalReasons) this.total.inc({ reason }, 0);
  }

  note(reason: RefusalReason, refused: Refused): void {
    this.total.inc({ reason });
    const nowMs = this.now();
    const { lastLineMs, unsaid } = this.silent.get(reason) ?? { lastLineMs: -Infinity, unsaid: 0 };
    if (nowMs - lastLineMs < LINE_INTERVAL_MS) {
      this.silent.set(reason, { lastLineMs, unsaid: unsaid + 1 });
      return;
    }
    this.silent.set(reason, { lastLineMs: nowMs, unsaid: 0 });
    this.log.warn({ reason, ...refused, ...(unsaid > 0 ? { unsaid } : {}) }, 'refused');
  }
}
