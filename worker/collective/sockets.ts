/**
 * Every worker binds one Router, where it receives from all peers, and connects one Dealer to each peer, over which it
 * sends to that peer alone. Neither of the two loses a frame: a Dealer makes its sender wait at the high-water mark, and
 * a Router that only receives leaves what does not fit to TCP. The Router tells which connection a frame came over, so a
 * broken one still names its peer (Pull would not), and a Dealer has one peer, so its `disconnect` names the one lost.
 */
import { Dealer, Router } from 'zeromq';

import type { Curve } from './curve.js';
import { MAX_PAYLOAD_BYTES } from './frame.js';

/** Frames that wait in memory for one peer, on either side: 8 MB keep the wire busy. */
const HIGH_WATER_MARK_FRAMES = 8;

/** Frozen peers: a late beat is no death, five missed ones are. */
const HEARTBEAT_INTERVAL_MS = 2_000;
const HEARTBEAT_TIMEOUT_MS = 10_000;

const common = {
  linger: 0,
  heartbeatInterval: HEARTBEAT_INTERVAL_MS,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
};

/** @param curve null for plain text */
export function receivingSocket(curve: Curve | null = null): Router {
  return new Router({
    ...common,
    receiveHighWaterMark: HIGH_WATER_MARK_FRAMES,
    // A stranger's flood; what is over a frame's limit is refused by name when the frame is read.
    maxMessageSize: 2 * MAX_PAYLOAD_BYTES,
    // Where nobody answers who may connect, nobody may.
    ...(curve === null
      ? {}
      : { ...ownOf(curve), curveServer: true, zapDomain: 'prospect', zapEnforceDomain: true }),
  });
}

/** @param curve with the public key of the peer; null for plain text */
export function sendingSocket(
  routingId: string,
  curve: (Curve & { readonly peerKey: string }) | null = null,
): Dealer {
  return new Dealer({
    ...common,
    routingId,
    sendHighWaterMark: HIGH_WATER_MARK_FRAMES,
    ...(curve === null ? {} : { ...ownOf(curve), curveServerKey: curve.peerKey }),
  });
}

const ownOf = ({ context, publicKey, secretKey }: Curve) => ({
  context,
  curvePublicKey: publicKey,
  curveSecretKey: secretKey,
});
