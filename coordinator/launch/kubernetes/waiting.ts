import { conditionOf, type Job, type Pod, type Queued } from './objects.js';
import { nodeIndexOf, holdUpOf } from './pod-state.js';
import { wordsOf } from './queueing.js';
import type { Queueing } from './settings.js';

/** Why a run's workers are not there: what its queue, or its first pod that is held up, says. Null where nothing does. */
export function reasonToWait(
  queueing: Queueing,
  job: Job,
  pods: readonly Pod[],
  queued: readonly Queued[],
): string | null {
  const said = wordsOf(queueing, queued);
  const suspended =
    job.spec.suspend === true || conditionOf(job.status?.conditions, 'Suspended') !== undefined;
  if (suspended) return said ?? `the Job ${job.metadata.name} is suspended`;
  for (const pod of pods) {
    const heldUp = pod.metadata.deletionTimestamp === undefined ? holdUpOf(pod) : null;
    if (heldUp !== null) return `node ${nodeIndexOf(pod) ?? '?'}: ${said ?? heldUp}`;
  }
  return pods.length === 0 ? said : null;
}

/** Tells of a reason once it has lasted a while, and of each one once: most are over before anyone could read them. */
export class WaitingNews {
  readonly #lastsMs: number;
  readonly #tell: (reason: string) => void;
  #reason: string | null = null;
  #told: string | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(lastsMs: number, tell: (reason: string) => void) {
    this.#lastsMs = lastsMs;
    this.#tell = tell;
  }

  /** This holds now. */
  is(reason: string | null): void {
    if (reason === this.#reason) return;
    clearTimeout(this.#timer);
    this.#reason = reason;
    if (reason === null) this.#told = null;
    else if (reason !== this.#told) this.#timer = setTimeout(() => this.#say(reason), this.#lastsMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #say(reason: string): void {
    this.#told = reason;
    this.#tell(reason);
  }
}
