import { elementCount, type TensorSpec } from '../../../worker/parameters/layout.js';

/** What is trained, as it lies in the flat space. */
export interface TrainedModel {
  readonly name: string;
  readonly trainable: readonly TensorSpec[];
}

interface Shape {
  readonly layers: number;
  readonly hidden: number;
  readonly keyValue: number;
  readonly intermediate: number;
  readonly vocabulary: number;
}

/** Llama 2. */
const llama7B: Shape = { layers: 32, hidden: 4096, keyValue: 4096, intermediate: 11008, vocabulary: 32000 };
const llama70B: Shape = { layers: 80, hidden: 8192, keyValue: 1024, intermediate: 28672, vocabulary: 32000 };

const LORA_RANK = 16;

export const models: readonly TrainedModel[] = [
  { name: '7B, full', trainable: fullOf(llama7B) },
  { name: `70B, LoRA r ${LORA_RANK} all-linear`, trainable: adapterOf(llama70B) },
];

export const parameterCount = ({ trainable }: TrainedModel) =>
  trainable.reduce((sum, { shape }) => sum + elementCount(shape), 0);

function linearsOf({ hidden, keyValue, intermediate }: Shape): readonly TensorSpec[] {
  return [
    { name: 'self_attn.q_proj', shape: [hidden, hidden] },
    { name: 'self_attn.k_proj', shape: [keyValue, hidden] },
    { name: 'self_attn.v_proj', shape: [keyValue, hidden] },
    { name: 'self_attn.o_proj', shape: [hidden, hidden] },
    { name: 'mlp.gate_proj', shape: [intermediate, hidden] },
    { name: 'mlp.up_proj', shape: [intermediate, hidden] },
    { name: 'mlp.down_proj', shape: [hidden, intermediate] },
  ];
}

function inEachLayer({ layers }: Shape, tensors: readonly TensorSpec[]): TensorSpec[] {
  return Array.from({ length: layers }, (_, layer) =>
    tensors.map(({ name, shape }) => ({ name: `model.layers.${layer}.${name}`, shape })),
  ).flat();
}

function fullOf(shape: Shape): TensorSpec[] {
  const { hidden, vocabulary } = shape;
  const norms = ['input_layernorm', 'post_attention_layernorm'].map((name) => ({ name, shape: [hidden] }));
  return [
    { name: 'model.embed_tokens', shape: [vocabulary, hidden] },
    { name: 'lm_head', shape: [vocabulary, hidden] },
    { name: 'model.norm', shape: [hidden] },
    ...inEachLayer(shape, [...linearsOf(shape), ...norms]),
  ];
}

function adapterOf(shape: Shape): TensorSpec[] {
  const pairs = linearsOf(shape).flatMap(({ name, shape: [output, input] }) => [
    { name: `${name}.lora_A`, shape: [LORA_RANK, input!] },
    { name: `${name}.lora_B`, shape: [output!, LORA_RANK] },
  ]);
  return inEachLayer(shape, pairs);
}
