import { credentials } from '@grpc/grpc-js';
import { service, type ServingStatus } from 'grpc-health-check';

import { connect } from './calls.js';

/**
 * Whether the server at `address` says within `timeoutMs`, by gRPC's standard health check, that it serves. A server that
 * is not there, or hangs, does not.
 */
export function isServing(address: string, timeoutMs: number): Promise<boolean> {
  const client = connect(address, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = service['Check']!;
  return new Promise<boolean>((resolve) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service: '' },
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        const { status } = (response ?? {}) as { readonly status?: ServingStatus };
        resolve(error === null && status === 'SERVING');
      },
    );
  }).finally(() => client.close());
}
