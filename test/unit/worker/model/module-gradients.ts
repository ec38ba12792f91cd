import { Arrangement } from '../../../../worker/model/arrangement.js';
import { attentionMask } from '../../../../worker/model/attention-mask.js';
import type { EmitGradient, Module, Pass } from '../../../../worker/model/module.js';
import { queryBlocks } from '../../../../worker/model/query-blocks.js';
import { rope } from '../../../../worker/model/rope.js';
import { elementCount, type TensorSpec } from '../../../../worker/parameters/layout.js';
import { floats, read, scope, type Tensor } from '../../../../worker/tensorflow/tensor.js';
import type { TestRandom } from '../random.js';
import { assertGradients, dot, type Values } from './finite-differences.js';

export interface Shape {
  /** Of the sequences. */
  readonly lengths: readonly number[];
  readonly features: number;
  /** Features of each head that turn with the position. */
  readonly rotated: number;
  /** Of the queries that attention computes together, about; without it, as models have it. */
  readonly blockLength?: number;
}

const INPUT = 'input';

export function randomValues(specs: readonly TensorSpec[], random: TestRandom): Map<string, Float32Array> {
  return new Map(specs.map(({ name, shape }) => [name, random.floats(elementCount(shape))]));
}

/** A pass over `values` by the names of `specs`; call it in a scope. */
export function passOver(values: Values, specs: readonly TensorSpec[], shape: Shape): Pass {
  const weights = new Map(specs.map((spec) => [spec.name, floats(spec.shape, values.get(spec.name)!)]));
  const arrangement = new Arrangement(shape.lengths);
  const blocks = queryBlocks(arrangement.length, shape.blockLength);
  return {
    arrangement,
    memory: null,
    weight: (name) => weights.get(name)!,
    rope:
      shape.rotated === 0
        ? null
        : rope(shape.rotated, { theta: 10_000, scaling: { type: 'none' } }).tables(0, arrangement.length),
    queryBlocks: blocks,
    masks: (window) => blocks.map(({ start, end }) => attentionMask(end - start, window, start)),
  };
}

/** Collects emitted gradients. */
export function collector(): { readonly gradients: Map<string, Float32Array>; readonly emit: EmitGradient } {
  const gradients = new Map<string, Float32Array>();
  const emit = (name: string, compute: () => Tensor) => {
    if (gradients.has(name)) throw new Error(`${name} has its gradient twice`);
    gradients.set(name, read(compute()));
  };
  return { gradients, emit };
}

/** Compares a module's backward with finite differences of its forward, by a random linear function of its output. */
export function assertModuleGradients<Saved>(module: Module<Saved>, shape: Shape, random: TestRandom): void {
  const inputSpec = { name: INPUT, shape: [new Arrangement(shape.lengths).tokens, shape.features] };
  const specs = [...module.parameters, inputSpec];
  const values = randomValues(specs, random);
  const run = <T>(at: Values, use: (pass: Pass, input: Tensor) => T) =>
    scope(() => {
      const pass = passOver(at, specs, shape);
      return use(pass, pass.weight(INPUT));
    });
  const outputShape = run(values, (pass, input) => module.forward(pass, input).output.shape);
  const coefficients = random.floats(elementCount(outputShape));
  assertGradients(
    {
      value: (at) => run(at, (pass, input) => dot(read(module.forward(pass, input).output), coefficients)),
      gradients: (at) =>
        run(at, (pass, input) => {
          const { gradients, emit } = collector();
          const { saved } = module.forward(pass, input);
          const ofInput = module.backward(pass, saved, floats(outputShape, coefficients), emit);
          return gradients.set(INPUT, read(ofInput));
        }),
    },
    values,
    random,
  );
}
