import { Context, curveKeyPair } from 'zeromq';

/** `curve` encrypts what workers send one another and lets only members of the run connect; `plain` does neither. */
export const collectiveSecurities = ['curve', 'plain'] as const;
export type CollectiveSecurity = (typeof collectiveSecurities)[number];

/** What a worker's sockets are made with where they are encrypted: one key pair for the life of the process. */
export interface Curve {
  /** In ZeroMQ's base 85. */
  readonly publicKey: string;
  readonly secretKey: string;
  /** Its own, since ZeroMQ asks one place in a context about all peers that connect. */
  readonly context: Context;
}

/**
 * Never let go: a context that is collected waits, on a thread of Node's, for what is left of its sockets, and where that
 * is collected after it, the process does not end.
 */
const contexts: Context[] = [];

export function newCurve(): Curve {
  const context = new Context();
  contexts.push(context);
  return { ...curveKeyPair(), context };
}

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
const KEY_BYTES = 32;

/** A key as ZeroMQ writes it, from its bytes; empty where they are none. */
export function publicKeyOf(bytes: Buffer): string {
  if (bytes.length !== KEY_BYTES) return '';
  let text = '';
  for (let offset = 0; offset < bytes.length; offset += 4) {
    let word = bytes.readUInt32BE(offset);
    let digits = '';
    for (let place = 0; place < 5; place++) {
      digits = Z85.charAt(word % 85) + digits;
      word = Math.floor(word / 85);
    }
    text += digits;
  }
  return text;
}
