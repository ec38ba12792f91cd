import type { OnNonfinite } from '../../lib/config/types.js';

/** Why a worker is lost. */
export type LossKind =
  /** It failed by a bad model or setting: it would fail again. */
  | 'config-error'
  /** The same, by its exit code: it could not say more. */
  | 'config-exit'
  /** It said itself what went wrong. */
  | 'worker-failed'
  | 'worker-died'
  | 'worker-silent'
  /** Its stream closed and it did not come back. */
  | 'stream-lost'
  | 'never-joined'
  /** Its launcher does not start it again, whatever is asked. */
  | 'gone'
  /** The others could not work with it, again and again. */
  | 'evicted'
  /** It asked to be let go. */
  | 'worker-left'
  /** It would compute other bits than the run's first worker. */
  | 'unlike';

/** What may go wrong, with what decides about it. */
export type Trouble =
  | {
      readonly kind: LossKind;
      /** Of this worker, without a finished step in between, this one included. */
      readonly failuresInARow: number;
      readonly maxRestarts: number;
    }
  | { readonly kind: 'collective-failed'; readonly inARow: number; readonly suspected: boolean }
  | { readonly kind: 'non-finite'; readonly onNonfinite: OnNonfinite }
  | { readonly kind: 'too-few-workers'; readonly enoughMayCome: boolean }
  | { readonly kind: 'state-lost'; readonly holderMayCome: boolean };

export type Action =
  | 'fail-run'
  | 'restart-worker'
  | 'give-worker-up'
  /** The same workers go on in a new generation. */
  | 'retry'
  /** The worker that is named most often is lost. */
  | 'evict-suspect'
  | 'skip-step'
  | 'wait'
  | 'restore-checkpoint';

/** Generations that may fail in a row, with nobody lost and no step committed, before somebody has to go. */
const TOLERATED_COLLECTIVE_FAILURES = 3;

type Of<Kind extends Trouble['kind']> = Extract<Trouble, { readonly kind: Kind }>;
type Loss = Of<LossKind>;

const restart = ({ failuresInARow, maxRestarts }: Loss): Action =>
  failuresInARow > maxRestarts ? 'give-worker-up' : 'restart-worker';

/** The failure policy: what is done about what. Survivors go on in a new generation whenever a worker is lost. */
const policy = {
  'config-error': () => 'fail-run',
  'config-exit': () => 'fail-run',
  'worker-failed': restart,
  'worker-died': restart,
  'worker-silent': restart,
  'stream-lost': restart,
  'never-joined': restart,
  evicted: restart,
  gone: () => 'give-worker-up',
  'worker-left': () => 'restart-worker',
  unlike: () => 'give-worker-up',
  'collective-failed': ({ inARow, suspected }: Of<'collective-failed'>) => {
    if (inARow < TOLERATED_COLLECTIVE_FAILURES) return 'retry';
    return suspected ? 'evict-suspect' : 'fail-run';
  },
  'non-finite': ({ onNonfinite }: Of<'non-finite'>) => (onNonfinite === 'skip' ? 'skip-step' : 'fail-run'),
  'too-few-workers': ({ enoughMayCome }: Of<'too-few-workers'>) => (enoughMayCome ? 'wait' : 'fail-run'),
  'state-lost': ({ holderMayCome }: Of<'state-lost'>) => (holderMayCome ? 'wait' : 'restore-checkpoint'),
} as const satisfies { readonly [Kind in Trouble['kind']]: (trouble: never) => Action };

export function actionFor(trouble: Trouble): Action {
  // TypeScript cannot see that the entry of a kind takes the trouble of that kind.
  const entry = policy[trouble.kind] as (trouble: Trouble) => Action;
  return entry(trouble);
}
