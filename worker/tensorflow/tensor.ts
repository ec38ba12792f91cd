import { elementCount } from '../parameters/layout.js';
import { Dtype } from './binding.js';
import { loadTensorFlow } from './load.js';

/** Of float32 and int32. */
export const BYTES_PER_VALUE = 4;

/** A handle on values that TensorFlow holds. It lives until its scope ends or `dispose` is called. */
export class Tensor {
  constructor(
    readonly id: number,
    readonly shape: readonly number[],
    readonly dtype: Dtype,
  ) {}
}

/** Tensors made in the open scopes, innermost last. */
const scopes: Set<Tensor>[] = [];

/**
 * Runs `body` and frees every tensor made in it, also when it throws, except those in its result (a tensor, or arrays
 * and plain objects of tensors), which pass to the scope around this one.
 */
export function scope<T>(body: () => T): T {
  const made = new Set<Tensor>();
  scopes.push(made);
  try {
    const result = body();
    const outer = scopes[scopes.length - 2];
    forEachTensor(result, (tensor) => {
      if (made.delete(tensor)) outer?.add(tensor);
    });
    return result;
  } finally {
    scopes.pop();
    for (const tensor of made) loadTensorFlow().deleteTensor(tensor.id);
  }
}

/** Frees tensors (a tensor, or arrays and plain objects of tensors, also with repeats) before their scope ends. */
export function dispose(tensors: unknown): void {
  for (const tensor of distinctTensors(tensors)) {
    for (const made of scopes) made.delete(tensor);
    loadTensorFlow().deleteTensor(tensor.id);
  }
}

/** Takes tensors out of the open scopes: from now on whoever keeps them disposes of them. Returns its argument. */
export function keep<T>(tensors: T): T {
  forEachTensor(tensors, (tensor) => {
    for (const made of scopes) made.delete(tensor);
  });
  return tensors;
}

/** Bytes of the values of tensors (a tensor, or arrays and plain objects of tensors, also with repeats). */
export function bytesOf(tensors: unknown): number {
  const sizes = [...distinctTensors(tensors)].map(({ shape }) => elementCount(shape));
  return sizes.reduce((bytes, size) => bytes + BYTES_PER_VALUE * size, 0);
}

/** Registers a new handle with the innermost scope. Outside of any scope whoever made it disposes of it. */
export function track(tensor: Tensor): Tensor {
  scopes.at(-1)?.add(tensor);
  return tensor;
}

/** Handles that this thread holds: a growing number is a leak. */
export function liveTensors(): number {
  return loadTensorFlow().getNumOfTensors();
}

export function floats(shape: readonly number[], values: Float32Array): Tensor {
  return create(shape, Dtype.float32, values);
}

export function ints(values: ArrayLike<number>, shape: readonly number[] = [values.length]): Tensor {
  return create(shape, Dtype.int32, Int32Array.from(values));
}

export function intScalar(value: number): Tensor {
  return create([], Dtype.int32, Int32Array.of(value));
}

/** A copy of a float32 tensor's values, in row-major order. */
export function read(tensor: Tensor): Float32Array {
  const values = loadTensorFlow().tensorDataSync(tensor.id);
  if (!(values instanceof Float32Array)) throw new Error('read() is for float32 tensors');
  return values;
}

function create(shape: readonly number[], dtype: Dtype, values: Float32Array | Int32Array): Tensor {
  if (values.length !== elementCount(shape)) {
    throw new Error(`${values.length} values do not fill shape [${shape.join(', ')}]`);
  }
  return track(new Tensor(loadTensorFlow().createTensor(shape, dtype, values), shape, dtype));
}

function distinctTensors(tensors: unknown): Set<Tensor> {
  const distinct = new Set<Tensor>();
  forEachTensor(tensors, (tensor) => distinct.add(tensor));
  return distinct;
}

function forEachTensor(value: unknown, visit: (tensor: Tensor) => void): void {
  if (value instanceof Tensor) visit(value);
  else if (Array.isArray(value)) value.forEach((element) => forEachTensor(element, visit));
  else if (isPlainObject(value)) Object.values(value).forEach((element) => forEachTensor(element, visit));
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
