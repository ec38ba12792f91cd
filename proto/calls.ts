import {
  Client,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedHandleCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Flow, Rpc } from './services.js';

/**
 * A step's token ids, or a batch of them for the reference, can pass gRPC's default of 4 MB; 1 GiB is far above any
 * real batch and still bounds what a peer can make us hold.
 */
export const MAX_MESSAGE_BYTES = 2 ** 30;

const messageLimits: ChannelOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
};

/**
 * A peer that is stopped or whose machine is gone closes nothing: without pings, a call to it would wait for ever. The
 * time is long, as a slow or swapping machine is not a dead one.
 */
const keepAlive: ChannelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 60_000,
};

/** Options that every server and every channel of Prospect is made with. */
export const channelOptions: ChannelOptions = {
  ...messageLimits,
  ...keepAlive,
  // Two runs on one machine must not share a connection: each channel keeps its own.
  'grpc.use_local_subchannel_pool': 1,
};

/** A channel to `address` (`host:port` or `unix:/path`). `options` are its own, beside those of every channel. */
export function connect(
  address: string,
  credentials: ChannelCredentials,
  options: ChannelOptions = {},
): Client {
  return new Client(address, credentials, { ...channelOptions, ...options });
}

/** Calls a unary method; rejects with grpc-js's ServiceError, of status CANCELLED once `signal` is aborted. */
export function callUnary<RequestIn, RequestOut, ResponseIn, ResponseOut>(
  client: Client,
  method: Rpc<'unary', RequestIn, RequestOut, ResponseIn, ResponseOut>,
  request: RequestIn,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<ResponseOut> {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = method;
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      (error, response) => {
        signal?.removeEventListener('abort', cancel);
        if (error !== null) reject(error);
        else resolve(response!);
      },
    );
    const cancel = () => call.cancel();
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** Opens a server stream. */
export function openServerStream<RequestIn, RequestOut, ResponseIn, ResponseOut>(
  client: Client,
  method: Rpc<'serverStream', RequestIn, RequestOut, ResponseIn, ResponseOut>,
  request: RequestIn,
): ClientReadableStream<ResponseOut> {
  const { path, requestSerialize, responseDeserialize } = method;
  return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
}

/** Opens a bidirectional stream. */
export function openDuplex<RequestIn, RequestOut, ResponseIn, ResponseOut>(
  client: Client,
  method: Rpc<'duplex', RequestIn, RequestOut, ResponseIn, ResponseOut>,
): ClientDuplexStream<RequestIn, ResponseOut> {
  const { path, requestSerialize, responseDeserialize } = method;
  return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
}

/** The handler that a method asks for, by its flow. */
export type Handler<R> =
  R extends Rpc<infer F extends Flow, never, infer RequestOut, infer ResponseIn, unknown>
    ? F extends 'unary'
      ? (
          request: RequestOut,
          call: ServerUnaryCall<RequestOut, ResponseIn>,
        ) => Promise<ResponseIn> | ResponseIn
      : F extends 'serverStream'
        ? (call: ServerWritableStream<RequestOut, ResponseIn>) => void
        : (call: ServerDuplexStream<RequestOut, ResponseIn>) => void
    : never;

export type Handlers<Service> = { readonly [Name in keyof Service]: Handler<Service[Name]> };

/** What a failed handler tells the caller; anything thrown that is not a status becomes INTERNAL with its message. */
export interface StatusLike {
  readonly code: number;
  readonly details: string;
}

/** Registers `handlers` for every method of `service`. `toStatus` turns what a handler threw into a gRPC status. */
export function serve<Service extends Record<string, Rpc<Flow, never, unknown, never, unknown>>>(
  server: Server,
  service: Service,
  handlers: Handlers<Service>,
  toStatus: (error: unknown) => StatusLike,
): void {
  // grpc-js types services by method name only; `Handlers` has checked the pairing, so the types end here.
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(service)) {
    const handler = handlers[name] as UntypedHandleCall;
    implementation[name] =
      method.flow === 'unary' ? answering(handler as unknown as UnaryHandler, toStatus) : handler;
  }
  server.addService(service as unknown as ServiceDefinition, implementation);
}

type UnaryHandler = (request: unknown, call: unknown) => unknown;

function answering(handler: UnaryHandler, toStatus: (error: unknown) => StatusLike): UntypedHandleCall {
  return (
    call: ServerUnaryCall<unknown, unknown>,
    callback: (error: StatusLike | null, response?: unknown) => void,
  ): void => {
    Promise.resolve()
      .then(() => handler(call.request, call))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback(toStatus(error)),
      );
  };
}
