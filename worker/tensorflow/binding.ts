/** The part that Prospect uses of the compiled binding of `@tensorflow/tfjs-node-gpu` (its `binding/tfjs_binding.cc`). */
export interface NativeBinding {
  readonly TF_Version: string;
  /**
   * A handle over `values`: over the very memory where it starts on a 64-byte boundary, else over a copy of it.
   */
  createTensor(shape: readonly number[], dtype: Dtype, values: Float32Array | Int32Array): number;
  deleteTensor(id: number): void;
  /** A copy of the values. */
  tensorDataSync(id: number): Float32Array | Int32Array;
  executeOp(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly number[],
    outputs: number,
  ): { readonly id: number; readonly shape: readonly number[]; readonly dtype: Dtype }[];
  isUsingGpuDevice(): boolean;
  /** Handles that this thread holds. */
  getNumOfTensors(): number;
}

/** `TF_DataType` of TensorFlow's C API. */
export const Dtype = { float32: 1, int32: 3 } as const;
export type Dtype = (typeof Dtype)[keyof typeof Dtype];

/** An attribute of an op. `type` is `TF_AttrType` of TensorFlow's C API. */
export interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: number | boolean;
}

export const intAttribute = (name: string, value: number): Attribute => ({ name, type: 1, value });
export const boolAttribute = (name: string, value: boolean): Attribute => ({ name, type: 3, value });
export const typeAttribute = (name: string, value: Dtype): Attribute => ({ name, type: 4, value });
