import { credentials, type ChannelCredentials, type ChannelOptions, type Client } from '@grpc/grpc-js';
import { ConfigError, RunError } from '../../../lib/errors.js';
import { isLoopback } from '../../../lib/loopback.js';
import { parseListen } from '../../../lib/listen.js';
import { connect } from '../../../proto/calls.js';
import { v1 } from '../../../proto/services.js';
import type { ReleasePlace } from '../kubernetes/release.js';
import { CoordinatorLost, getCoordinator } from '../runs/run-client.js';

export const COORDINATOR_VARIABLE = 'PROSPECT_COORDINATOR';

export interface CoordinatorAddress {
  /** host:port */
  readonly address: string;
  /** What a command needs to mean the same coordinator from this shell, a space before it; empty for nothing. */
  readonly flag: string;
  /** Where the coordinator is found instead of at the address; absent or null for there. */
  readonly release?: ReleasePlace | null;
  /** Absent for plain text. */
  readonly credentials?: ChannelCredentials;
  /** Of the coordinator's certificate, where that is not the address; absent or null for the address. */
  readonly serverName?: string | null;
  /** What to do where none answers. */
  readonly advice?: string;
}

/** A coordinator that has answered. */
export interface Coordinator extends CoordinatorAddress {
  readonly client: Client;
  readonly about: v1.GetCoordinatorResponse;
}

const toStart =
  'start one by prospect coordinator --state-dir DIR, ' +
  `or name another by --coordinator or ${COORDINATOR_VARIABLE}`;

/** Longest time for a first answer: of a machine that is there, it takes milliseconds. */
const contactMs = 10_000;

const options: ChannelOptions = {
  // One that comes back is noticed soon; grpc-js would ask less and less often.
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Proxies of the environment are made for the web.
  'grpc.enable_http_proxy': 0,
};

/** Asks the coordinator what it is, and hands it to `body`. @throws RunError where none answers */
export async function withCoordinator<T>(
  {
    address,
    flag,
    release = null,
    advice = toStart,
    credentials: given = credentials.createInsecure(),
    serverName = null,
  }: CoordinatorAddress,
  body: (coordinator: Coordinator) => Promise<T>,
): Promise<T> {
  if (release !== null) {
    const { withRelease } = await import('../kubernetes/release.js');
    // Its live page is not forwarded.
    const withoutPage = (coordinator: Coordinator) => {
      const about = v1.GetCoordinatorResponse.create(coordinator.about);
      about.pageAddress = '';
      return body({ ...coordinator, about });
    };
    return withRelease(release, (forwarded, entrance) =>
      withCoordinator({ ...entrance, address: forwarded, flag, advice: 'its pod may say why' }, withoutPage),
    );
  }
  const named = serverName === null ? {} : { 'grpc.ssl_target_name_override': serverName };
  const client = connect(address, given, { ...options, ...named });
  try {
    const about = await contact(client, address, advice);
    return await body({ client, address, flag, about });
  } finally {
    client.close();
  }
}

async function contact(client: Client, address: string, advice: string): Promise<v1.GetCoordinatorResponse> {
  const signal = AbortSignal.timeout(contactMs);
  try {
    return await getCoordinator(client, { signal });
  } catch (error) {
    if (!signal.aborted && !(error instanceof CoordinatorLost)) throw error;
    const why = signal.aborted ? `it said nothing for ${contactMs / 1000} s` : reasonOf(error as Error);
    throw new RunError(`no coordinator answers at ${address} (${why}): ${advice}`);
  }
}

/** What of grpc-js's words says something. */
function reasonOf({ message }: Error): string {
  const refused = /Last error: (?:Error: )?(.*?)\.? Resolution note/.exec(message)?.[1];
  const unresolved = /Name resolution failed/.test(message) ? 'there is no such host' : undefined;
  return refused ?? unresolved ?? message;
}

/** @throws ConfigError for what is not host:port */
export function requireAddress(text: string): string {
  if (parseListen(text).port > 0) return text;
  throw new ConfigError(`"${text}" has no port that can be asked`);
}

/** Where a run's live page is, for someone on this machine; null where it cannot be seen from here. */
export function pageLink(
  { address, about }: Pick<Coordinator, 'address' | 'about'>,
  runId: string,
): string | null {
  if (about.pageAddress === '') return null;
  const page = parseListen(about.pageAddress);
  const { host } = parseListen(address);
  const isEverywhere = page.host === '0.0.0.0' || page.host === '[::]' || page.host === '::';
  if (isLoopback(page.host) && !isLoopback(host)) return null;
  return `http://${isEverywhere ? host : page.host}:${page.port}/runs/${encodeURIComponent(runId)}`;
}
