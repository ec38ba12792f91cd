import type { StageConfig } from './types.js';

/** A frozen model that a policy is compared with. */
export interface ReferenceModel {
  /** Hugging Face directory. */
  readonly modelDir: string;
  /** An adapter upon it, in PEFT's format; null for the model as it is. */
  readonly adapterDir: string | null;
}

/** The reference of a stage whose starting model is known, for a method that has one. */
export function referenceModelOf({
  model,
  adapter,
  reference,
}: Pick<StageConfig, 'adapter' | 'reference'> & { readonly model: string }): ReferenceModel {
  if (reference === 'base') return { modelDir: model, adapterDir: null };
  if (reference !== null) return { modelDir: reference.directory, adapterDir: null };
  // A fresh adapter changes nothing yet, so that what the stage starts from is the model.
  return { modelDir: model, adapterDir: adapter };
}
