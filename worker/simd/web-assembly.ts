/** What is used of WebAssembly here, which TypeScript declares only among the browser's types. */
interface WebAssemblyGlobal {
  readonly Memory: new (pages: { initial: number; maximum: number; shared: true }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly memory: { readonly shared: WasmMemory } },
  ) => { readonly exports: Readonly<Record<string, (...args: number[]) => void>> };
}

export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}

/** Opaque. */
export type WasmModule = object;

declare const WebAssembly: WebAssemblyGlobal;

const PAGE_BYTES = 65536;

/** Zeros that threads can share: at least `bytes` of them, from the start of a memory page. */
export function allocateMemory(bytes: number): WasmMemory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

export const compile = (bytes: Uint8Array): WasmModule => new WebAssembly.Module(bytes);

/** The functions that a module from `assemble` exports, at work in `memory`. */
export const instantiate = (module: WasmModule, memory: WasmMemory) =>
  new WebAssembly.Instance(module, { memory: { shared: memory } }).exports;
