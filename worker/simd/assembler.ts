/**
 * As much of a WebAssembly assembler as the kernels need: functions of 32-bit addresses in one memory, each a single loop.
 * Opcodes as in the specification, appendix "Index of Instructions".
 */

export type Code = readonly number[];

/** A parameter of a function, by its index. */
interface Address {
  readonly index: number;
}

/** A variable of 128 bits of a function, zero at first, by its index. */
export interface Vector {
  readonly index: number;
}

export interface Kernel {
  readonly name: string;
  readonly parameterCount: number;
  readonly vectorCount: number;
  readonly body: Code;
}

const MAGIC_AND_VERSION: Code = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const Section = { types: 1, imports: 2, functions: 3, exports: 7, code: 10 } as const;
const I32 = 0x7f;
const V128 = 0x7b;
const FUNCTION_TYPE = 0x60;
const FUNCTION_KIND = 0;
const MEMORY_KIND = 2;
const SHARED_WITH_MAXIMUM = 3;
const MAX_PAGES = 65536;

/** Unsigned LEB128. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128. */
function signed(value: number): Code {
  const rest = value >> 7;
  const isLast = (rest === 0 && (value & 0x40) === 0) || (rest === -1 && (value & 0x40) !== 0);
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(rest)];
}

const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const text = (value: string): Code => list([...Buffer.from(value)].map((byte) => [byte]));
const section = (id: number, body: Code): Code => [id, ...unsigned(body.length), ...body];

const simd = (opcode: number, ...immediates: number[]): Code => [0xfd, ...unsigned(opcode), ...immediates];
const binary =
  (opcode: Code) =>
  (left: Code, right: Code): Code => [...left, ...right, ...opcode];

export const get = ({ index }: Address | Vector): Code => [0x20, ...unsigned(index)];
export const set = ({ index }: Address | Vector, value: Code): Code => [...value, 0x21, ...unsigned(index)];

/** Four float32, or other 128 bits, at an address. */
export const load4 = (address: Address, offset = 0): Code => [
  ...get(address),
  ...simd(0x00, 4, ...unsigned(offset)),
];
export const store4 = (address: Address, value: Code, offset = 0): Code => [
  ...get(address),
  ...value,
  ...simd(0x0b, 4, ...unsigned(offset)),
];
export const add4 = binary(simd(0xe4));

/** Two 64-bit integers: sums, and the lower or the upper two of four unsigned 32-bit ones. */
export const addLong2 = binary(simd(0xce));
export const lowerLong2 = (vector: Vector): Code => [...get(vector), ...simd(0xc9)];
export const upperLong2 = (vector: Vector): Code => [...get(vector), ...simd(0xca)];

const END = 0x0b;
const LOOP_WITHOUT_RESULT: Code = [0x03, 0x40];
const BRANCH_TO_START_IF: Code = [0x0d, 0];
const i32 = (value: number): Code => [0x41, ...signed(value)];
const addAddress = binary([0x6a]);
const lessThan = binary([0x49]);

/** Repeats `body`, each time with all addresses `bytes` further on, until the first of them reaches `end`. */
export function forEach(
  addresses: readonly [Address, ...Address[]],
  bytes: number,
  end: Address,
  body: Code,
): Code {
  const advance = addresses.flatMap((address) => set(address, addAddress(get(address), i32(bytes))));
  const again = lessThan(get(addresses[0]), get(end));
  return [...LOOP_WITHOUT_RESULT, ...body, ...advance, ...again, ...BRANCH_TO_START_IF, END];
}

/** A function of the addresses that are named, with so many vectors. */
export function kernel<Name extends string>(
  name: string,
  addresses: readonly Name[],
  body: (parameters: Readonly<Record<Name, Address>>, vectors: readonly Vector[]) => Code,
  vectorCount = 0,
): Kernel {
  const parameters = Object.fromEntries(addresses.map((address, index) => [address, { index }]));
  const vectors = Array.from({ length: vectorCount }, (_, index) => ({ index: addresses.length + index }));
  return {
    name,
    parameterCount: addresses.length,
    vectorCount,
    body: body(parameters as Readonly<Record<Name, Address>>, vectors),
  };
}

/** The module that exports `kernels`, over a shared memory that it imports as `memory.shared`. */
export function assemble(kernels: readonly Kernel[]): Uint8Array {
  const type = ({ parameterCount }: Kernel): Code => [
    FUNCTION_TYPE,
    ...list(Array.from({ length: parameterCount }, () => [I32])),
    ...list([]),
  ];
  const code = ({ body, vectorCount }: Kernel): Code => {
    const bytes = [...list([[...unsigned(vectorCount), V128]]), ...body, END];
    return [...unsigned(bytes.length), ...bytes];
  };
  const memory = [
    ...text('memory'),
    ...text('shared'),
    MEMORY_KIND,
    SHARED_WITH_MAXIMUM,
    1,
    ...unsigned(MAX_PAGES),
  ];
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(Section.types, list(kernels.map(type))),
    ...section(Section.imports, list([memory])),
    ...section(Section.functions, list(kernels.map((_, index) => unsigned(index)))),
    ...section(
      Section.exports,
      list(kernels.map(({ name }, index) => [...text(name), FUNCTION_KIND, ...unsigned(index)])),
    ),
    ...section(Section.code, list(kernels.map(code))),
  ]);
}
