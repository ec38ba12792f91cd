import { FrameError, MAX_PAYLOAD_BYTES } from './frame.js';

/**
 * Between workers of one host, long payloads do not pass the sockets. The sender of a pair has a file in memory, its
 * outbox, with a few slots; it copies a payload into a slot that is free, and sends a frame that says which. The receiver
 * copies it out and says that the slot is free again. Two copies instead of the three and the network stack of a socket.
 *
 * Nothing here is needed: a peer that cannot open the file, on another host or in another container, frees no slot, and
 * the payloads for it travel in frames.
 */
export const SLOT_COUNT = 4;

/** Before the slots: one memory page with the secret. */
const HEAD_BYTES = 4096;
export const OUTBOX_BYTES = HEAD_BYTES + SLOT_COUNT * MAX_PAYLOAD_BYTES;
export const slotPosition = (slot: number) => HEAD_BYTES + slot * MAX_PAYLOAD_BYTES;

const SECRET_BYTES = 16;

/** How a peer finds an outbox, and knows that it is the one. */
export interface Offer {
  readonly processId: number;
  readonly file: number;
  /** At the start of the file. */
  readonly secret: Buffer;
}

export function encodeOffer({ processId, file, secret }: Offer): Buffer {
  const payload = Buffer.alloc(8 + SECRET_BYTES);
  payload.writeUInt32LE(processId, 0);
  payload.writeUInt32LE(file, 4);
  secret.copy(payload, 8);
  return payload;
}

/** @throws FrameError where it is none. */
export function decodeOffer(payload: Uint8Array): Offer {
  const bytes = Buffer.from(payload);
  if (bytes.length !== 8 + SECRET_BYTES) throw new FrameError(`an offer of ${bytes.length} bytes`);
  return { processId: bytes.readUInt32LE(0), file: bytes.readUInt32LE(4), secret: bytes.subarray(8) };
}

/** Where a payload lies. */
export interface Placement {
  readonly slot: number;
  readonly byteLength: number;
}

export function encodePlacement({ slot, byteLength }: Placement): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32LE(slot, 0);
  payload.writeUInt32LE(byteLength, 4);
  return payload;
}

/** @throws FrameError where it is none. */
export function decodePlacement(payload: Uint8Array): Placement {
  const bytes = Buffer.from(payload);
  if (bytes.length !== 8) throw new FrameError(`the place of values in ${bytes.length} bytes`);
  return { slot: bytes.readUInt32LE(0), byteLength: bytes.readUInt32LE(4) };
}
