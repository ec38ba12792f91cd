import type { ServerWritableStream } from '@grpc/grpc-js';
import { untilAborted } from '../../lib/abort.js';
import { toStatus } from './status.js';

/**
 * Answers a call with what `body` sends, and ends it where `body` does. `send` resolves when the client can take more: a
 * slow one holds up neither the run nor this process's memory. `gone` is aborted, and `send` rejects, when the client has
 * gone away.
 */
export function streamTo<Request, Response>(
  call: ServerWritableStream<Request, Response>,
  body: (send: (response: Response) => Promise<void>, gone: AbortSignal) => Promise<void>,
): void {
  const leaving = new AbortController();
  const gone = leaving.signal;
  call.once('cancelled', () => leaving.abort());
  const send = async (response: Response) => {
    gone.throwIfAborted();
    if (call.write(response)) return;
    await untilAborted(new Promise<void>((resolve) => call.once('drain', resolve)), gone);
  };
  body(send, gone).then(
    () => call.end(),
    (error: unknown) => {
      if (!gone.aborted) call.emit('error', toStatus(error));
    },
  );
}
