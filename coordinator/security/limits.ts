import type { ChannelOptions } from '@grpc/grpc-js';
import type { Rate } from './rate-limit.js';

const MIB = 2 ** 20;

/** What people send: a run file, or a part of an upload, which is 2 MiB. */
const PEOPLE_MAX_MESSAGE_BYTES = 8 * MIB;
const HEALTH_MAX_MESSAGE_BYTES = 64 * 1024;

/** A connection on which nothing is called is closed: a stranger's must not stay. */
const IDLE_MS = 300_000;
/** After this, new calls take a new connection, for which certificates are checked again. Open calls go on. */
const PEOPLE_CONNECTION_AGE_MS = 3_600_000;

export const workerLimits: ChannelOptions = {
  'grpc.max_concurrent_streams': 16,
  'grpc.max_connection_idle_ms': IDLE_MS,
};

export const peopleLimits: ChannelOptions = {
  'grpc.max_receive_message_length': PEOPLE_MAX_MESSAGE_BYTES,
  'grpc.max_concurrent_streams': 100,
  'grpc.max_connection_idle_ms': IDLE_MS,
  'grpc.max_connection_age_ms': PEOPLE_CONNECTION_AGE_MS,
};

export const healthLimits: ChannelOptions = {
  'grpc.max_receive_message_length': HEALTH_MAX_MESSAGE_BYTES,
  'grpc.max_concurrent_streams': 16,
  'grpc.max_connection_idle_ms': IDLE_MS,
};

/** Of one caller at one address. The fastest upload makes fewer calls: each brings 2 MiB to be hashed and written. */
export const callRate: Rate = { burst: 1_000, perSecond: 500 };

/** From one address: workers of a node, or all people who come through one proxy, may connect at once. */
export const connectionRate: Rate = { burst: 200, perSecond: 20 };

/** A connection is cut after so many refused calls: even a refusal costs time. */
export const MOST_REFUSALS = 100;

/** Of one listener. */
export const MAX_CONNECTIONS = 4_096;
export const MAX_CONNECTIONS_OF_ADDRESS = 256;

/** From the first byte until both sides have agreed on keys. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
