import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const DATA = 0;
const ERRORS = 1;
const BINARY = 0x82;
const CLOSE = 0x88;

/**
 * Forwards a port of a pod as Kubernetes does, by the web socket protocol of its channels: the first byte of a message is
 * its channel, and the first message of each channel is the port.
 *
 * @param portOf the port of this machine that stands for the pod's; undefined where the pod is not there
 */
export function forwardPorts(portOf: (path: string) => number | undefined) {
  return (request: IncomingMessage, client: Duplex): void => {
    const port = portOf(request.url ?? '');
    client.on('error', () => client.destroy());
    if (port === undefined) {
      client.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    client.write(acceptance(request));
    const toPod = connect(port, '127.0.0.1');
    for (const channel of [DATA, ERRORS]) client.write(frame(channel, Buffer.from([0, 0])));
    toPod.on('data', (bytes: Buffer) => client.write(frame(DATA, bytes)));
    toPod.on('error', (error) => client.write(frame(ERRORS, Buffer.from(error.message))));
    toPod.on('close', () => client.end(Buffer.from([CLOSE, 0])));
    client.on('close', () => toPod.destroy());
    readFrames(client, {
      onData: (bytes) => toPod.write(bytes),
      // Whoever closes waits for the answer.
      onClose: () => client.end(Buffer.from([CLOSE, 0])),
    });
  };
}

function acceptance({ headers }: IncomingMessage): string {
  const accept = createHash('sha1')
    .update(`${headers['sec-websocket-key'] ?? ''}${GUID}`)
    .digest('base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: websocket',
    'connection: upgrade',
    `sec-websocket-accept: ${accept}`,
    'sec-websocket-protocol: v4.channel.k8s.io',
    '\r\n',
  ].join('\r\n');
}

function frame(channel: number, bytes: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(bytes.length + 1));
  return Buffer.concat([Buffer.from([BINARY, 127]), length, Buffer.from([channel]), bytes]);
}

interface FrameEvents {
  readonly onData: (bytes: Buffer) => void;
  readonly onClose: () => void;
}

/** What a client sends is masked. */
function readFrames(client: Duplex, { onData, onClose }: FrameEvents): void {
  let rest = Buffer.alloc(0);
  client.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    for (let next = readFrame(rest); next !== null; next = readFrame(rest)) {
      rest = rest.subarray(next.size);
      if (next.kind === CLOSE) onClose();
      else if (next.content[0] === DATA) onData(next.content.subarray(1));
    }
  });
}

interface Frame {
  readonly kind: number;
  readonly content: Buffer;
  readonly size: number;
}

function readFrame(bytes: Buffer): Frame | null {
  if (bytes.length < 2) return null;
  const short = bytes[1]! & 0x7f;
  const begin = 2 + (short === 127 ? 8 : short === 126 ? 2 : 0);
  if (bytes.length < begin + 4) return null;
  const length =
    short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  const size = begin + 4 + length;
  if (bytes.length < size) return null;
  const mask = bytes.subarray(begin, begin + 4);
  const content = Buffer.from(bytes.subarray(begin + 4, size).map((byte, i) => byte ^ mask[i % 4]!));
  return { kind: bytes[0]!, content, size };
}
