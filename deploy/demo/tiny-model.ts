import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeSafetensors, type TensorSource } from '../../lib/safetensors/write.js';
import { Random } from './random.js';
import { endTokenId, padTokenId } from './tokenizer.js';

const shape = {
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
} as const;

/** Standard deviation of every matrix, as in GPT-2 and `transformers`. */
const initializerRange = 0.02;

/**
 * Makes `directory` a Hugging Face directory of an untrained Llama of half a million parameters (with more layers: more),
 * with the tokenizer of `tokenizerDirectory`. The same seed gives the same weights.
 */
export async function writeTinyModel(
  directory: string,
  tokenizerDirectory: string,
  seed: number,
  { layers = shape.num_hidden_layers }: { readonly layers?: number } = {},
): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(join(tokenizerDirectory, name), join(directory, name));
  }
  const vocabSize = await readVocabSize(tokenizerDirectory);
  const config = {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    ...shape,
    num_hidden_layers: layers,
    vocab_size: vocabSize,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    rope_scaling: null,
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: true,
    bos_token_id: null,
    eos_token_id: endTokenId,
    pad_token_id: padTokenId,
    torch_dtype: 'float32',
  };
  await writeFile(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  const weights = initialWeights(vocabSize, layers, new Random(seed));
  writeSafetensors(join(directory, 'model.safetensors'), weights, {
    dtype: 'F32',
    metadata: { format: 'pt' },
  });
}

const tokenizerVocabulary = z.object({ model: z.object({ vocab: z.record(z.string(), z.int()) }) });

async function readVocabSize(tokenizerDirectory: string): Promise<number> {
  const text = await readFile(join(tokenizerDirectory, 'tokenizer.json'), 'utf8');
  return Object.keys(tokenizerVocabulary.parse(JSON.parse(text)).model.vocab).length;
}

/** Norms are 1, matrices normal around 0; stored [out, in] as PyTorch does. */
function initialWeights(vocabSize: number, layerCount: number, random: Random): TensorSource[] {
  const ones = (name: string): TensorSource => ({
    name: `${name}.weight`,
    shape: [shape.hidden_size],
    values: () => new Float32Array(shape.hidden_size).fill(1),
  });
  const normal = (name: string, rows: number, columns: number): TensorSource => ({
    name: `${name}.weight`,
    shape: [rows, columns],
    values: () => Float32Array.from({ length: rows * columns }, () => initializerRange * random.normal()),
  });
  const { hidden_size: hidden, intermediate_size: inner } = shape;
  const keyValue = (hidden / shape.num_attention_heads) * shape.num_key_value_heads;
  const layers = Array.from({ length: layerCount }, (_, layer) => {
    const prefix = `model.layers.${layer}`;
    return [
      ones(`${prefix}.input_layernorm`),
      normal(`${prefix}.self_attn.q_proj`, hidden, hidden),
      normal(`${prefix}.self_attn.k_proj`, keyValue, hidden),
      normal(`${prefix}.self_attn.v_proj`, keyValue, hidden),
      normal(`${prefix}.self_attn.o_proj`, hidden, hidden),
      ones(`${prefix}.post_attention_layernorm`),
      normal(`${prefix}.mlp.gate_proj`, inner, hidden),
      normal(`${prefix}.mlp.up_proj`, inner, hidden),
      normal(`${prefix}.mlp.down_proj`, hidden, inner),
    ];
  });
  return [normal('model.embed_tokens', vocabSize, hidden), ...layers.flat(), ones('model.norm')];
}
