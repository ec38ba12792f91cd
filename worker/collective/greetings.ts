import type { Frame } from './frame.js';

/** Strangers may claim to be anyone: what they can make this worker keep is bounded. */
const MAX_GREETINGS = 4096;
const MAX_GREETING_BYTES = 64;

/** The hellos of peers that already are in a generation that this rank has not been told of: of the newest one seen. */
export class Greetings {
  private readonly kept = new Map<string, Frame>();

  /** Whether the frame is worth keeping. */
  keep(routingId: string, frame: Frame): boolean {
    const [any] = this.kept.values();
    if (frame.payload.byteLength > MAX_GREETING_BYTES || frame.generation < (any?.generation ?? 0))
      return false;
    if (any && frame.generation > any.generation) this.kept.clear();
    if (this.kept.size < MAX_GREETINGS) this.kept.set(routingId, frame);
    return true;
  }

  /** Those of a generation that this rank joins now; older ones are forgotten. */
  take(generation: number): Frame[] {
    const [any] = this.kept.values();
    if (!any || any.generation > generation) return [];
    const frames = [...this.kept.values()].filter((frame) => frame.generation === generation);
    this.kept.clear();
    return frames;
  }
}
