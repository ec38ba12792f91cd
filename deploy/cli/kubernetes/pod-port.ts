import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';

/** What of a web socket is used. The library's own type is not there without a package of types. */
interface Channel {
  readonly bufferedAmount: number;
  pause(): void;
  resume(): void;
  close(): void;
  addEventListener(event: 'close' | 'error', listener: () => void): void;
}

/** Bytes that may wait on one side for the other. */
const MAX_WAITING_BYTES = 2 ** 22;
/** Between two looks at what waits: a web socket does not say when it has sent it. */
const LOOK_MS = 5;

/** A port of whichever pod serves now, as the Kubernetes API forwards it. */
export class PodPort {
  readonly #config: KubeConfig;
  readonly #namespace: string;
  readonly #port: number;
  readonly #findPod: () => Promise<string | null>;

  constructor(config: KubeConfig, namespace: string, port: number, findPod: () => Promise<string | null>) {
    this.#config = config;
    this.#namespace = namespace;
    this.#port = port;
    this.#findPod = findPod;
  }

  /** Carries what a socket, still paused, sends and receives, until one of the two sides closes. Rejects where it cannot. */
  async join(socket: Socket): Promise<void> {
    const pod = await this.#findPod();
    if (pod === null) throw new Error('no pod is ready');
    const { PortForward } = await import('@kubernetes/client-node');
    const held: { channel: Channel | null } = { channel: null };
    const toSocket = new Writable({
      write(chunk: Buffer, _, done) {
        const { channel } = held;
        if (!socket.write(chunk) && channel !== null) {
          channel.pause();
          socket.once('drain', () => channel.resume());
        }
        done();
      },
    });
    const complaints = new Writable({
      write(chunk: Buffer, _, done) {
        // The pod does not listen any more. The first message is empty, and says nothing.
        if (chunk.length > 0) socket.destroy();
        done();
      },
    });
    const forward = new PortForward(this.#config);
    const opened: unknown = await forward.portForward(
      this.#namespace,
      pod,
      [this.#port],
      toSocket,
      complaints,
      socket,
    );
    const channel = requireChannel(opened);
    held.channel = channel;
    channel.addEventListener('close', () => socket.destroy());
    channel.addEventListener('error', () => socket.destroy());
    socket.on('close', () => channel.close());
    socket.on('data', () => {
      if (channel.bufferedAmount > MAX_WAITING_BYTES) void holdBack(socket, channel);
    });
    if (socket.destroyed) channel.close();
    else socket.resume();
  }
}

async function holdBack(socket: Socket, channel: Channel): Promise<void> {
  socket.pause();
  while (channel.bufferedAmount > MAX_WAITING_BYTES / 2 && !socket.destroyed) await delay(LOOK_MS);
  socket.resume();
}

function requireChannel(opened: unknown): Channel {
  if (typeof opened === 'object' && opened !== null && 'bufferedAmount' in opened && 'pause' in opened) {
    return opened as Channel;
  }
  throw new Error('the Kubernetes library opened no web socket');
}
