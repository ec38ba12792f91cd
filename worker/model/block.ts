import { add } from '../tensorflow/ops.js';
import type { Module } from './module.js';

interface Parts<AttentionNorm, Attention, MlpNorm, Mlp> {
  readonly attentionNorm: Module<AttentionNorm>;
  readonly attention: Module<Attention>;
  readonly mlpNorm: Module<MlpNorm>;
  readonly mlp: Module<Mlp>;
}

interface Saved<AttentionNorm, Attention, MlpNorm, Mlp> {
  readonly attentionNorm: AttentionNorm;
  readonly attention: Attention;
  readonly mlpNorm: MlpNorm;
  readonly mlp: Mlp;
}

/** A decoder layer, normalized before each part: h = x + attention(norm(x)), y = h + mlp(norm(h)). */
export function preNormBlock<AttentionNorm, Attention, MlpNorm, Mlp>({
  attentionNorm,
  attention,
  mlpNorm,
  mlp,
}: Parts<AttentionNorm, Attention, MlpNorm, Mlp>): Module<Saved<AttentionNorm, Attention, MlpNorm, Mlp>> {
  return {
    parameters: [attentionNorm, attention, mlpNorm, mlp].flatMap(({ parameters }) => parameters),

    forward(pass, input) {
      const normedInput = attentionNorm.forward(pass, input);
      const attended = attention.forward(pass, normedInput.output);
      const hidden = add(input, attended.output);
      const normedHidden = mlpNorm.forward(pass, hidden);
      const transformed = mlp.forward(pass, normedHidden.output);
      const saved = {
        attentionNorm: normedInput.saved,
        attention: attended.saved,
        mlpNorm: normedHidden.saved,
        mlp: transformed.saved,
      };
      return { output: add(hidden, transformed.output), saved };
    },

    backward(pass, saved, gradient, emit) {
      const dNormedHidden = mlp.backward(pass, saved.mlp, gradient, emit);
      const dHidden = add(gradient, mlpNorm.backward(pass, saved.mlpNorm, dNormedHidden, emit));
      const dNormedInput = attention.backward(pass, saved.attention, dHidden, emit);
      return add(dHidden, attentionNorm.backward(pass, saved.attentionNorm, dNormedInput, emit));
    },
  };
}
