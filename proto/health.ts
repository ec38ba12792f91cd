import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { service, type ServingStatus } from 'grpc-health-check';

import { connect } from './calls.js';

/** What the server at `address` says of itself by gRPC's standard health check. Rejects with grpc-js's ServiceError. */
export function servingStatus(
  address: string,
  channelCredentials: ChannelCredentials,
  timeoutMs: number,
): Promise<ServingStatus | undefined> {
  const client = connect(address, channelCredentials);
  const { path, requestSerialize, responseDeserialize } = service['Check']!;
  return new Promise<ServingStatus | undefined>((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service: '' },
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        if (error === null) resolve(((response ?? {}) as { readonly status?: ServingStatus }).status);
        else reject(error);
      },
    );
  }).finally(() => client.close());
}

/** Whether the server at `address` says in time that it serves. One that is not there, or hangs, does not. */
export async function isServing(address: string, timeoutMs: number): Promise<boolean> {
  try {
    return (await servingStatus(address, credentials.createInsecure(), timeoutMs)) === 'SERVING';
  } catch {
    return false;
  }
}
