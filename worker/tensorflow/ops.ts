import { countProduct } from '../../lib/profile/recorder.js';
import { boolAttribute, Dtype, intAttribute, typeAttribute, type Attribute } from './binding.js';
import { loadTensorFlow } from './load.js';
import { floats, ints, intScalar, Tensor, track } from './tensor.js';

/**
 * TensorFlow's ops, one function each, float32 unless said otherwise. Results belong to the open scope.
 */

const names: string[] = [];

/** Every TensorFlow op that Prospect may call. */
export const usedOps: readonly string[] = names;

const FLOAT = typeAttribute('T', Dtype.float32);

type Op = (inputs: readonly Tensor[], attributes?: readonly Attribute[]) => Tensor;

function op(name: string): Op {
  names.push(name);
  return (inputs, attributes = [FLOAT]) => {
    const ids = inputs.map(({ id }) => id);
    const { id, shape, dtype } = loadTensorFlow().executeOp(name, attributes, ids, 1)[0]!;
    return track(new Tensor(id, shape, dtype));
  };
}

function unary(name: string): (x: Tensor) => Tensor {
  const execute = op(name);
  return (x) => execute([x]);
}

/** Element-wise; shapes broadcast. */
function binary(name: string): (a: Tensor, b: Tensor) => Tensor {
  const execute = op(name);
  return (a, b) => execute([a, b]);
}

export const add = binary('AddV2');
export const subtract = binary('Sub');
export const multiply = binary('Mul');
export const square = unary('Square');
export const rsqrt = unary('Rsqrt');
export const sigmoid = unary('Sigmoid');
export const tanh = unary('Tanh');
export const exp = unary('Exp');
/** 2/√π ∫₀ˣ e^(−t²) dt */
export const erf = unary('Erf');
/** Over the last dimension. */
export const softmax = unary('Softmax');

export const scalar = (value: number): Tensor => floats([], Float32Array.of(value));

interface Transposes {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** Attributes of a product for its four pairs of transposes, made once. */
function product(name: string, flagA: string, flagB: string) {
  const execute = op(name);
  const flags = [false, true];
  const attributes = flags.map((a) =>
    flags.map((b) => [FLOAT, boolAttribute(flagA, a), boolAttribute(flagB, b)]),
  );
  return (a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: Transposes = {}): Tensor => {
    const result = execute([a, b], attributes[Number(transposeA)]![Number(transposeB)]);
    countProduct(result.shape, a.shape.at(transposeA ? -2 : -1)!);
    return result;
  };
}

/** [m, k] × [k, n] → [m, n] */
export const matMul = product('MatMul', 'transpose_a', 'transpose_b');
/** [..., m, k] × [..., k, n] → [..., m, n] */
export const batchMatMul = product('BatchMatMulV2', 'adj_x', 'adj_y');

function reduction(name: string) {
  const execute = op(name);
  const attributes = (keepDims: boolean) => [
    FLOAT,
    typeAttribute('Tidx', Dtype.int32),
    boolAttribute('keep_dims', keepDims),
  ];
  const keep = attributes(true);
  const drop = attributes(false);
  return (x: Tensor, axis: number, { keepDims = false } = {}): Tensor =>
    execute([x, ints([axis])], keepDims ? keep : drop);
}

export const sum = reduction('Sum');
export const mean = reduction('Mean');
export const max = reduction('Max');

const reshapeOp = op('Reshape');
const reshapeAttributes = [FLOAT, typeAttribute('Tshape', Dtype.int32)];

/** The same values, not copied, under another shape. */
export const reshape = (x: Tensor, shape: readonly number[]): Tensor =>
  reshapeOp([x, ints(shape)], reshapeAttributes);

const transposeOp = op('Transpose');
const transposeAttributes = [FLOAT, typeAttribute('Tperm', Dtype.int32)];

export const transpose = (x: Tensor, permutation: readonly number[]): Tensor =>
  transposeOp([x, ints(permutation)], transposeAttributes);

const rollOp = op('Roll');
const rollAttributes = [FLOAT, typeAttribute('Tshift', Dtype.int32), typeAttribute('Taxis', Dtype.int32)];

/** Moves element i of `axis` to i + `shift`, around the end. */
export const roll = (x: Tensor, shift: number, axis: number): Tensor =>
  rollOp([x, intScalar(shift), intScalar(axis)], rollAttributes);

const gatherOp = op('GatherV2');
const gatherAttributes = [
  typeAttribute('Tparams', Dtype.float32),
  typeAttribute('Tindices', Dtype.int32),
  typeAttribute('Taxis', Dtype.int32),
  intAttribute('batch_dims', 0),
];

/** Rows of `x`, in the order of `rows` (int32). */
export const gatherRows = (x: Tensor, rows: Tensor): Tensor =>
  gatherOp([x, rows, intScalar(0)], gatherAttributes);

const sliceOp = op('Slice');
const sliceAttributes = [FLOAT, typeAttribute('Index', Dtype.int32)];

/** Elements [start, start + count) of one dimension, all of the others. */
export function slice(x: Tensor, axis: number, start: number, count: number): Tensor {
  const starts = x.shape.map((_, dimension) => (dimension === axis ? start : 0));
  return sliceOp([x, ints(starts), ints(x.shape.with(axis, count))], sliceAttributes);
}

const concatOp = op('ConcatV2');
const concatTypes = [FLOAT, typeAttribute('Tidx', Dtype.int32)];

/** Tensors that differ in one dimension only, one after the other along it; the tensor itself if it is one. */
export const concat = (parts: readonly Tensor[], axis: number): Tensor =>
  parts.length === 1
    ? parts[0]!
    : concatOp([...parts, intScalar(axis)], [...concatTypes, intAttribute('N', parts.length)]);

const fillOp = op('Fill');
const fillAttributes = [FLOAT, typeAttribute('index_type', Dtype.int32)];

export const zeros = (shape: readonly number[]): Tensor => fillOp([ints(shape), scalar(0)], fillAttributes);

/** Writes over rows of its first input, in place. Only for in-place.ts, which says where that is sound. */
export const inplaceUpdate = op('InplaceUpdate');
/** Adds to rows of its first input, in place. Only for in-place.ts, which says where that is sound. */
export const inplaceAdd = op('InplaceAdd');

const scatterAddOp = op('TensorScatterAdd');
const scatterAddAttributes = [FLOAT, typeAttribute('Tindices', Dtype.int32)];

/** A copy of `x` [n, columns] with `values` [m, columns] added at `rows` [m, 1] (int32). */
export const tensorScatterAdd = (x: Tensor, rows: Tensor, values: Tensor): Tensor =>
  scatterAddOp([x, rows, values], scatterAddAttributes);
