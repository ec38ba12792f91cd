import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** Where the doubles' processes find the test that watches them. */
const PORT_VARIABLE = 'PROSPECT_TEST_LIFE_SIGNS_PORT';

interface Life {
  readonly name: string;
  readonly pid: number;
}

/**
 * Watches processes of another process: each connects here, says who it is, and holds the connection while it lives.
 * The system closes it, however the process ends.
 */
export class LifeSigns {
  /** For the processes to be watched. */
  readonly env: Readonly<Record<string, string>>;
  readonly #lives = new Map<Socket, Life>();
  readonly #waiting = new Set<() => void>();

  private constructor(server: Server) {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    this.env = { [PORT_VARIABLE]: String(port) };
    server.on('connection', (socket) => this.#watch(socket));
  }

  static async listen(t: TestContext): Promise<LifeSigns> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.close();
    });
    return new LifeSigns(server);
  }

  /** Resolves once exactly these processes live. */
  async until(...names: string[]): Promise<readonly Life[]> {
    for (;;) {
      const lives = [...this.#lives.values()].sort((a, b) => a.name.localeCompare(b.name));
      if (lives.map(({ name }) => name).join() === names.join()) return lives;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #watch(socket: Socket): void {
    socket.setEncoding('utf8');
    socket.on('data', (line: string) => {
      this.#lives.set(socket, JSON.parse(line) as Life);
      this.#changed();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#lives.delete(socket);
      this.#changed();
    });
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** In a double's process: shows the test that it lives. */
export function showLife(name: string): void {
  const socket = connect(Number(process.env[PORT_VARIABLE]), '127.0.0.1');
  socket.write(JSON.stringify({ name, pid: process.pid } satisfies Life));
}
