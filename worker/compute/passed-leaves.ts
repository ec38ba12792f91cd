import type { HeldForward, Sequence } from '../model/language-model.js';

/** What is known of micro-batches that the current weights have computed already, until the weights change. */
export class PassedLeaves {
  private logps: { readonly own: readonly Sequence[]; readonly tokenLogps: Float32Array[] }[] = [];
  /** At most one: as large as all activations of a micro-batch. */
  private held: { readonly own: readonly Sequence[]; readonly forward: HeldForward } | null = null;

  note(own: readonly Sequence[], tokenLogps: Float32Array[]): void {
    this.logps.push({ own, tokenLogps });
  }

  /** Takes the forward pass over. */
  hold(own: readonly Sequence[], forward: HeldForward): void {
    this.held?.forward.dispose();
    this.held = { own, forward };
  }

  /** The forward pass of exactly these sequences, which is the caller's now; null where it is not held. */
  takeForward(sequences: readonly Sequence[]): HeldForward | null {
    if (this.held === null || !isSame(this.held.own, sequences)) return null;
    const { forward } = this.held;
    this.held = null;
    return forward;
  }

  /** The log-probs of exactly these sequences' completion tokens; null where they are not known. */
  takeLogps(sequences: readonly Sequence[]): Float32Array[] | null {
    const forward = this.takeForward(sequences);
    if (forward !== null) {
      forward.dispose();
      return forward.tokenLogps;
    }
    const index = this.logps.findIndex(({ own }) => isSame(own, sequences));
    return index < 0 ? null : this.logps.splice(index, 1)[0]!.tokenLogps;
  }

  forget(): void {
    this.logps = [];
    this.held?.forward.dispose();
    this.held = null;
  }
}

function isSame(some: readonly Sequence[], others: readonly Sequence[]): boolean {
  return some.length === others.length && some.every((one, index) => isSameSequence(one, others[index]!));
}

function isSameSequence(one: Sequence, other: Sequence): boolean {
  return (
    one.completionStart === other.completionStart &&
    one.ids.length === other.ids.length &&
    one.ids.every((id, index) => id === other.ids[index])
  );
}
