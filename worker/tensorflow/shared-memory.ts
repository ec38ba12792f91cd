/** What is used of WebAssembly here, which TypeScript declares only among the browser's types. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number; shared: true }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

const WASM_PAGE_BYTES = 65536;

/**
 * Zeros that threads can share and TensorFlow can use in place: at least `bytes` of them, from the start of a memory page.
 * A plain `new SharedArrayBuffer` starts anywhere, and TensorFlow copies whatever does not start on 64 bytes.
 */
export function allocateShared(bytes: number): SharedArrayBuffer {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
}
