import type { AddressInfo, Server } from 'node:net';
import { ConfigError } from './errors.js';

/** Splits host:port. @throws ConfigError */
export function parseListen(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':');
  const port = Number(listen.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new ConfigError(`"${listen}" is not host:port, e.g. 127.0.0.1:9464`);
  }
  return { host: listen.slice(0, colon), port };
}

/**
 * Has a server listen.
 *
 * @param listen host:port; port 0 for any free one
 * @returns host:port that it listens on
 * @throws ConfigError where it cannot listen there
 */
export async function listenOn(server: Server, listen: string): Promise<string> {
  const { host, port } = parseListen(listen);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ConfigError(`cannot listen on ${listen}: ${error.message}`)));
    server.listen(port, host.replace(/^\[(.*)\]$/, '$1'), resolve);
  });
  return `${host}:${(server.address() as AddressInfo).port}`;
}
