import type { StageConfig } from '../../../lib/config/types.js';
import { needsOf } from '../../../lib/methods/needs.js';
import {
  buildAdapted,
  describeAdapter,
  newAdapter,
  tensorsOf,
  type Adapter,
} from '../../../worker/model/adapter/adapter.js';
import { criticTensors } from '../../../worker/model/critic.js';
import { describeModel, type ModelDescription } from '../../../worker/model/description.js';
import type { Architecture } from '../../../worker/model/architecture.js';
import { linear } from '../../../worker/model/linear.js';
import { layOut, type ParameterLayout } from '../../../worker/parameters/layout.js';

/** A model with what of it is trained, as its files describe it; no weight is read. */
export interface DescribedPolicy {
  readonly description: ModelDescription;
  readonly adapter: Adapter | null;
  readonly architecture: Architecture;
  /** Of what of the model, or beside it, is trained. */
  readonly trained: ParameterLayout;
  /** The same with the critic. */
  readonly layout: ParameterLayout;
  /** Of the base model below an adapter. */
  readonly frozen: ParameterLayout | null;
}

/** Where a model and its adapter come from: a directory, or what a stage before writes. */
export interface PolicySource {
  readonly model: string | ModelDescription;
  readonly adapter: string | Adapter | null;
  readonly lora: StageConfig['lora'];
}

/** @throws ConfigError for a model or an adapter that cannot be trained */
export function describePolicy(
  { model, adapter: from, lora }: PolicySource,
  objective: StageConfig['objective'],
): DescribedPolicy {
  const description = typeof model === 'string' ? describeModel(model) : model;
  const adapter = describeAdapterOf(description, from, lora);
  const base = layOut(description.tensors);
  const architecture =
    adapter === null ? description.blueprint.build(linear) : buildAdapted(description, adapter);
  const trained = adapter === null ? description.tensors : tensorsOf(adapter);
  const hiddenSize = architecture.head.weight.shape[1]!;
  const critic = needsOf(objective).critic ? criticTensors(hiddenSize) : [];
  return {
    description,
    adapter,
    architecture,
    trained: layOut(trained),
    layout: layOut([...trained, ...critic]),
    frozen: adapter === null ? null : base,
  };
}

function describeAdapterOf(
  description: ModelDescription,
  from: PolicySource['adapter'],
  lora: PolicySource['lora'],
): Adapter | null {
  if (lora !== null) return newAdapter(description, lora);
  return typeof from === 'string' ? describeAdapter(description, from) : from;
}
