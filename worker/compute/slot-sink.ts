import type { GradientSink } from '../model/language-model.js';
import type { FlatBuffer } from '../parameters/flat-buffer.js';

/** Writes a leaf's gradients into a slot of the flat space, or adds them to what is there. */
export function slotSink(slot: FlatBuffer, accumulate: boolean): GradientSink {
  return {
    add(place, gradient) {
      const target = slot.tensor(place);
      const values = gradient.read();
      if (!accumulate) target.set(values);
      else for (let i = 0; i < target.length; i++) target[i]! += values[i]!;
    },
  };
}
