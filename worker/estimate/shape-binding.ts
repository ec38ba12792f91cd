import { elementCount } from '../parameters/layout.js';
import { Dtype, type Attribute, type NativeBinding } from '../tensorflow/binding.js';
import { BYTES_PER_VALUE } from '../tensorflow/tensor.js';

type Shape = readonly number[];

interface Handle {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly memory: Memory;
  /** Of integers, which other ops take as shapes and axes. */
  readonly values: readonly number[] | null;
}

/** Bytes that one or more handles lie over. */
interface Memory {
  readonly bytes: number;
  handles: number;
}

/**
 * In place of TensorFlow: every op gives a tensor of the right shape, but no values, and the bytes that all tensors would
 * take together are counted. So a model's own forward and backward say what memory they need, before any weight is
 * loaded. What one op takes for itself while it runs is not counted, and no op writes over its input, as TensorFlow does
 * not either while somebody holds a handle on it.
 *
 * As on a CPU. An op that it does not know is an error, so that it never counts wrong in silence.
 */
export class ShapeBinding implements NativeBinding {
  readonly TF_Version = 'shapes only';
  private readonly handles = new Map<number, Handle>();
  private nextId = 0;
  private liveBytes = 0;
  private mostBytes = 0;

  /** The most that tensors took at a time. */
  get peakBytes(): number {
    return this.mostBytes;
  }

  /** A tensor over memory that is counted elsewhere, such as a weight's. */
  external(shape: Shape): number {
    return this.hold(shape, Dtype.float32, { bytes: 0, handles: 0 }, null);
  }

  createTensor(shape: Shape, dtype: Dtype, values: Float32Array | Int32Array): number {
    return this.hold(shape, dtype, this.allocate(shape), dtype === Dtype.int32 ? [...values] : null);
  }

  deleteTensor(id: number): void {
    const { memory } = this.get(id);
    this.handles.delete(id);
    memory.handles -= 1;
    if (memory.handles === 0) this.liveBytes -= memory.bytes;
  }

  tensorDataSync(id: number): Float32Array | Int32Array {
    const { shape, values } = this.get(id);
    return values === null ? new Float32Array(elementCount(shape)) : Int32Array.from(values);
  }

  executeOp(name: string, attributes: readonly Attribute[], inputs: readonly number[]) {
    const known = OPS[name];
    if (known === undefined) throw new Error(`the shape of what ${name} gives is not known`);
    const given = inputs.map((id) => this.get(id));
    const flag = (wanted: string) =>
      attributes.find((attribute) => attribute.name === wanted)?.value === true;
    const alias = known.isView?.(given) === true ? given[0]!.memory : null;
    return known.shapes(given, flag).map((shape) => {
      const id = this.hold(shape, Dtype.float32, alias ?? this.allocate(shape), null);
      return { id, shape, dtype: Dtype.float32 };
    });
  }

  isUsingGpuDevice(): boolean {
    return false;
  }

  getNumOfTensors(): number {
    return this.handles.size;
  }

  private get(id: number): Handle {
    const handle = this.handles.get(id);
    if (handle === undefined) throw new Error(`there is no tensor ${id}`);
    return handle;
  }

  private allocate(shape: Shape): Memory {
    const bytes = elementCount(shape) * BYTES_PER_VALUE;
    this.liveBytes += bytes;
    this.mostBytes = Math.max(this.mostBytes, this.liveBytes);
    return { bytes, handles: 0 };
  }

  private hold(shape: Shape, dtype: Dtype, memory: Memory, values: readonly number[] | null): number {
    memory.handles += 1;
    const id = this.nextId++;
    this.handles.set(id, { shape, dtype, memory, values });
    return id;
  }
}

interface KnownOp {
  /** Shapes of the outputs. */
  readonly shapes: (inputs: readonly Handle[], flag: (name: string) => boolean) => Shape[];
  /** Whether the output lies in the first input's memory. */
  readonly isView?: (inputs: readonly Handle[]) => boolean;
}

const sameShape: KnownOp = { shapes: ([x]) => [x!.shape] };
const broadcast: KnownOp = { shapes: ([a, b]) => [broadcastShape(a!.shape, b!.shape)] };
const always = () => true;
const inPlace: KnownOp = { ...sameShape, isView: always };
const reduction: KnownOp = {
  shapes: ([x, axes], flag) => {
    const [axis] = integersOf(axes!);
    return [flag('keep_dims') ? x!.shape.with(axis!, 1) : x!.shape.filter((_, i) => i !== axis)];
  },
};
const product = (flagA: string, flagB: string): KnownOp => ({
  shapes: ([a, b], flag) => {
    const rows = a!.shape.at(flag(flagA) ? -1 : -2)!;
    const columns = b!.shape.at(flag(flagB) ? -2 : -1)!;
    return [[...a!.shape.slice(0, -2), rows, columns]];
  },
});

const OPS: Readonly<Record<string, KnownOp>> = {
  AddV2: broadcast,
  Sub: broadcast,
  Mul: broadcast,
  Square: sameShape,
  Rsqrt: sameShape,
  Sigmoid: sameShape,
  Tanh: sameShape,
  Exp: sameShape,
  Erf: sameShape,
  Softmax: sameShape,
  Roll: sameShape,
  TensorScatterAdd: sameShape,
  InplaceAdd: inPlace,
  InplaceUpdate: inPlace,
  MatMul: product('transpose_a', 'transpose_b'),
  BatchMatMulV2: product('adj_x', 'adj_y'),
  Sum: reduction,
  Mean: reduction,
  Max: reduction,
  Reshape: { shapes: ([, shape]) => [integersOf(shape!)], isView: always },
  Transpose: { shapes: ([x, order]) => [integersOf(order!).map((axis) => x!.shape[axis]!)] },
  GatherV2: { shapes: ([x, rows]) => [[elementCount(rows!.shape), ...x!.shape.slice(1)]] },
  Slice: { shapes: ([, , sizes]) => [integersOf(sizes!)], isView: isAlignedRows },
  ConcatV2: {
    shapes: (inputs) => {
      const parts = inputs.slice(0, -1);
      const [axis] = integersOf(inputs.at(-1)!);
      const along = parts.reduce((sum, { shape }) => sum + shape[axis!]!, 0);
      return [parts[0]!.shape.with(axis!, along)];
    },
  },
  Fill: { shapes: ([shape]) => [integersOf(shape!)] },
};

/** TensorFlow does not copy a slice of whole rows that starts on a 64-byte boundary. */
function isAlignedRows([x, starts, sizes]: readonly Handle[]): boolean {
  const rowShape = x!.shape.slice(1);
  if (
    integersOf(sizes!)
      .slice(1)
      .some((size, axis) => size !== rowShape[axis])
  )
    return false;
  return (integersOf(starts!)[0]! * elementCount(rowShape) * BYTES_PER_VALUE) % 64 === 0;
}

function integersOf({ values }: Handle): readonly number[] {
  if (values === null) throw new Error('an op takes values where only shapes are known');
  return values;
}

function broadcastShape(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const at = (shape: Shape, axis: number) => shape[axis - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, axis) => {
    const [left, right] = [at(a, axis), at(b, axis)];
    return left === 1 ? right : left;
  });
}
