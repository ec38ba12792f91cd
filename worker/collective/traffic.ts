/** What passed a collective's sockets since it was bound. */
export interface Traffic {
  sentBytes: number;
  receivedBytes: number;
  /** Dropped: unreadable and not from a peer, or of another run. */
  foreignFrames: number;
  /** Dropped: of this run, from a generation or an operation that is over. */
  staleFrames: number;
  /** Connections of whoever is no member: without a key, or with another run's. */
  refusedPeers: number;
}

export const noTraffic = (): Traffic => ({
  sentBytes: 0,
  receivedBytes: 0,
  foreignFrames: 0,
  staleFrames: 0,
  refusedPeers: 0,
});
