const ethernetHeaderBytes = 14;
const ethernetIpv4 = 0x0800;
const protocolTcp = 6;
const checksumAt = 16;

/**
 * Writes the checksum of the TCP segment in an Ethernet frame, where there is one. The kernel leaves it to the network
 * card, which a frame that a program reads has never reached.
 */
export function completeTcpChecksum(frame: Buffer): void {
  if (frame.length < ethernetHeaderBytes + 20 || frame.readUInt16BE(12) !== ethernetIpv4) return;
  const packet = frame.subarray(ethernetHeaderBytes);
  if (packet[9] !== protocolTcp) return;
  const headerBytes = (packet[0]! & 15) * 4;
  const segment = packet.subarray(headerBytes, packet.readUInt16BE(2));
  if (segment.length < checksumAt + 2) return;
  segment.writeUInt16BE(0, checksumAt);
  // The pseudo header (RFC 9293, section 3.1): both addresses, the protocol and the length.
  let sum = sumOfWords(packet.subarray(12, 20)) + protocolTcp + segment.length + sumOfWords(segment);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  segment.writeUInt16BE(~sum & 0xffff, checksumAt);
}

function sumOfWords(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  return bytes.length % 2 === 0 ? sum : sum + bytes[bytes.length - 1]! * 256;
}
