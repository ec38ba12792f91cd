import { maskedCrc32c } from './crc32c.js';

const LENGTH_BYTES = 8;
const CRC_BYTES = 4;

/** A TFRecord: length (uint64), its masked CRC, the data, its masked CRC; all little-endian. */
export function frameRecord(data: Uint8Array): Buffer {
  const frame = Buffer.alloc(LENGTH_BYTES + CRC_BYTES + data.length + CRC_BYTES);
  frame.writeBigUInt64LE(BigInt(data.length), 0);
  frame.writeUInt32LE(maskedCrc32c(frame.subarray(0, LENGTH_BYTES)), LENGTH_BYTES);
  frame.set(data, LENGTH_BYTES + CRC_BYTES);
  frame.writeUInt32LE(maskedCrc32c(data), frame.length - CRC_BYTES);
  return frame;
}

/** The records of a file, up to the first that is cut off or not sound: what a killed process was writing. */
export function* readRecords(file: Buffer): Generator<Uint8Array> {
  let at = 0;
  while (at + LENGTH_BYTES + CRC_BYTES <= file.length) {
    const header = file.subarray(at, at + LENGTH_BYTES);
    if (file.readUInt32LE(at + LENGTH_BYTES) !== maskedCrc32c(header)) return;
    const start = at + LENGTH_BYTES + CRC_BYTES;
    const end = start + Number(header.readBigUInt64LE());
    if (end + CRC_BYTES > file.length) return;
    const data = file.subarray(start, end);
    if (file.readUInt32LE(end) !== maskedCrc32c(data)) return;
    yield data;
    at = end + CRC_BYTES;
  }
}
