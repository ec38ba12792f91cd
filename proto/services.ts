import { prospect } from './generated/prospect.js';

/** The generated message classes and enums of the contract. */
export import v1 = prospect.v1;

/** The messages of TensorBoard's event files. */
export import tensorboard = prospect.tensorboard;

/** What protobufjs generates for every message: enough to put it on a wire. `Properties` is what may be written. */
interface MessageType<Message, Properties> {
  encode(message: Properties): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

/** How requests and responses flow; part of a method's type, so that a handler or call of the wrong kind won't compile. */
export type Flow = 'unary' | 'serverStream' | 'duplex';

/** One remote procedure: what grpc-js needs to know of it, with the types of what is written and read. */
export interface Rpc<F extends Flow, RequestIn, RequestOut, ResponseIn, ResponseOut> {
  readonly flow: F;
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: RequestIn) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => RequestOut;
  readonly responseSerialize: (value: ResponseIn) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => ResponseOut;
}

function rpc<F extends Flow, RequestOut, RequestIn, ResponseOut, ResponseIn>(
  flow: F,
  path: string,
  request: MessageType<RequestOut, RequestIn>,
  response: MessageType<ResponseOut, ResponseIn>,
): Rpc<F, RequestIn, RequestOut, ResponseIn, ResponseOut> {
  return {
    flow,
    path,
    requestStream: flow === 'duplex',
    responseStream: flow !== 'unary',
    requestSerialize: (value) => asBuffer(request.encode(value).finish()),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: (value) => asBuffer(response.encode(value).finish()),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

/** In the same memory. */
const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array) =>
  Buffer.from(buffer, byteOffset, byteLength);

/** The same method, whose responses may come as they travel, too: what many are told is encoded once. */
function relaying<F extends Flow, RequestIn, RequestOut, ResponseIn, ResponseOut>(
  method: Rpc<F, RequestIn, RequestOut, ResponseIn, ResponseOut>,
): Rpc<F, RequestIn, RequestOut, ResponseIn | Uint8Array, ResponseOut> {
  return {
    ...method,
    responseSerialize: (value) =>
      value instanceof Uint8Array ? asBuffer(value) : method.responseSerialize(value),
  };
}

/** Runs, for people: see runs.proto. */
export const runService = {
  submitRun: rpc('unary', '/prospect.v1.RunService/SubmitRun', v1.SubmitRunRequest, v1.SubmitRunResponse),
  getRun: rpc('unary', '/prospect.v1.RunService/GetRun', v1.GetRunRequest, v1.GetRunResponse),
  listRuns: rpc('unary', '/prospect.v1.RunService/ListRuns', v1.ListRunsRequest, v1.ListRunsResponse),
  cancelRun: rpc('unary', '/prospect.v1.RunService/CancelRun', v1.CancelRunRequest, v1.CancelRunResponse),
  resumeRun: rpc('unary', '/prospect.v1.RunService/ResumeRun', v1.ResumeRunRequest, v1.ResumeRunResponse),
  resizeRun: rpc('unary', '/prospect.v1.RunService/ResizeRun', v1.ResizeRunRequest, v1.ResizeRunResponse),
  watchRun: relaying(
    rpc('serverStream', '/prospect.v1.RunService/WatchRun', v1.WatchRunRequest, v1.WatchRunResponse),
  ),
  readLog: rpc('serverStream', '/prospect.v1.RunService/ReadLog', v1.ReadLogRequest, v1.ReadLogResponse),
  getCoordinator: rpc(
    'unary',
    '/prospect.v1.RunService/GetCoordinator',
    v1.GetCoordinatorRequest,
    v1.GetCoordinatorResponse,
  ),
} as const;

/** Files for runs: see uploads.proto. */
export const uploadService = {
  findUploads: rpc(
    'unary',
    '/prospect.v1.UploadService/FindUploads',
    v1.FindUploadsRequest,
    v1.FindUploadsResponse,
  ),
  putChunk: rpc('unary', '/prospect.v1.UploadService/PutChunk', v1.PutChunkRequest, v1.PutChunkResponse),
} as const;

/** The stream between the coordinator and each worker: see cluster.proto. */
export const clusterService = {
  join: rpc('duplex', '/prospect.v1.ClusterService/Join', v1.JoinRequest, v1.JoinResponse),
} as const;

/** The node's frozen reference model: see reference.proto. */
export const referenceService = {
  logProbs: rpc('unary', '/prospect.v1.ReferenceService/LogProbs', v1.LogProbsRequest, v1.LogProbsResponse),
} as const;
