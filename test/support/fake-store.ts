import type { IncomingMessage, ServerResponse } from 'node:http';

/** How the next answers with content break off: after so many bytes of each, one after the other. */
export class Cuts {
  readonly #after: number[] = [];

  /** The next content breaks off after so many bytes. */
  add(bytes: number): void {
    this.#after.push(bytes);
  }

  next(): number | undefined {
    return this.#after.shift();
  }
}

/** Answers with content as HTTP wants it: all of it, or from a `Range: bytes=N-` on. */
export function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  content: Buffer,
  cuts: Cuts,
  headers: Readonly<Record<string, string>> = {},
): void {
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(from ?? 0);
  const part = content.subarray(start);
  const range = `bytes ${start}-${content.length - 1}/${content.length}`;
  response.writeHead(from === undefined ? 200 : 206, {
    ...headers,
    'content-length': part.length,
    ...(from !== undefined && { 'content-range': range }),
  });
  const cut = cuts.next();
  if (cut === undefined) response.end(part);
  // An end in order, after all that was written: a reset could overtake it.
  else response.write(part.subarray(0, cut), () => response.socket?.end());
}
