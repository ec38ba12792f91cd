import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { completeTcpChecksum } from './tcp-checksum.js';

/** A machine of the test network: a network namespace of this one, with a cable to the switch. */
export interface NetworkNode {
  readonly namespace: string;
  readonly address: string;
}

/** What becomes of the packets on one machine's cable. */
export interface WireQuality {
  /** Each way. */
  readonly delayMs?: number;
  /** Share of packets lost, each way; 0 … 1. */
  readonly loss?: number;
  /** All packets that the machine sends, or that it is sent, vanish. Nobody is told. */
  readonly drop?: 'sent' | 'received' | 'both';
}

const vxlanHeaderBytes = 8;
/** With the headers of the tunnel it fits into the 1500 of the cable. */
const overlayMtu = 1_400;
/** No segments longer than that, for a network card to cut. */
const unbatched = ['gso_max_segs', '1'];
const receiveBufferBytes = 4 * 2 ** 20;
const hostNumber = 254;
const hubNumber = 253;

let networksMade = 0;

/**
 * Some machines, as network namespaces, and a switch that this machine is plugged into too. Every machine's cable is a
 * VXLAN tunnel whose datagrams pass through this process, which delays or loses them (a kernel's netem, which many
 * kernels lack, would do the same). Needs root.
 *
 *     machine i: wire (VXLAN i) ─ eth0 ─┐                    ┌─ hub: VXLAN i ─ bridge ─ host
 *                                       └─ switch ─ relay ───┘
 */
export class TestNetwork {
  readonly nodes: readonly NetworkNode[];
  /** Of this machine. */
  readonly hostAddress: string;
  readonly #names: Names;
  readonly #underlay: string;
  readonly #relay: Socket;
  readonly #quality = new Map<number, WireQuality>();
  readonly #random;
  readonly #onTheWay = new Set<NodeJS.Timeout>();

  private constructor(names: Names, nodes: number, relay: Socket, seed: number) {
    const [underlay, overlay] = subnets(process.pid, names.index);
    this.#names = names;
    this.#underlay = underlay;
    this.#relay = relay;
    this.#random = xoroshiro128plus(seed);
    this.hostAddress = `${overlay}.${hostNumber}`;
    this.nodes = Array.from({ length: nodes }, (_, i) => ({
      namespace: names.node(i),
      address: `${overlay}.${i + 1}`,
    }));
    relay.on('message', (datagram, { address }) => this.#pass(datagram, address));
  }

  /** @param seed of the packets that get lost */
  static async create(nodes: number, seed: number): Promise<TestNetwork> {
    removeStaleNetworks();
    const names = new Names(process.pid, ++networksMade);
    try {
      const [underlay] = subnets(process.pid, names.index);
      addSwitch(names, underlay);
      const relay = createSocket('udp4');
      relay.bind(0, `${underlay}.${hostNumber}`);
      await once(relay, 'listening');
      relay.setRecvBufferSize(receiveBufferBytes);
      const network = new TestNetwork(names, nodes, relay, seed);
      network.#addHub();
      network.nodes.forEach((_, i) => network.#addNode(i));
      return network;
    } catch (error) {
      removeNetwork(names);
      throw error;
    }
  }

  /** From now on; `{}` for a sound cable. */
  setWire(node: number, quality: WireQuality): void {
    this.#quality.set(node, quality);
  }

  /** The machine's own interface: while it is down, there is no way out, and whoever tries is told. */
  setInterface(node: number, state: 'up' | 'down'): void {
    ip('-n', this.#names.node(node), 'link', 'set', 'wire', state);
  }

  close(): void {
    for (const timer of this.#onTheWay) clearTimeout(timer);
    this.#relay.close();
    removeNetwork(this.#names);
  }

  #pass(datagram: Buffer, from: string): void {
    if (datagram.length < vxlanHeaderBytes) return;
    const node = datagram.readUIntBE(4, 3) - 1;
    const hub = `${this.#underlay}.${hubNumber}`;
    const sent = from !== hub;
    const { delayMs = 0, loss = 0, drop } = this.#quality.get(node) ?? {};
    if (drop === 'both' || drop === (sent ? 'sent' : 'received')) return;
    if (loss > 0 && uniformFloat64(this.#random) < loss) return;
    completeTcpChecksum(datagram.subarray(vxlanHeaderBytes));
    const to = sent ? hub : `${this.#underlay}.${node + 1}`;
    const { port } = this.#relay.address();
    const send = () => this.#relay.send(datagram, port, to);
    if (delayMs === 0) {
      send();
      return;
    }
    const timer = setTimeout(() => {
      this.#onTheWay.delete(timer);
      send();
    }, delayMs);
    this.#onTheWay.add(timer);
  }

  /** The other ends of all tunnels, bridged with each other and with this machine. */
  #addHub(): void {
    const { hub, hostEnd } = this.#names;
    ip('netns', 'add', hub);
    this.#plugIn(hub, this.#names.cable('h'), hubNumber);
    ip('-n', hub, 'link', 'add', 'overlay', 'type', 'bridge');
    ip('-n', hub, 'link', 'set', 'overlay', 'mtu', `${overlayMtu}`, 'up');
    ip('link', 'add', hostEnd, 'mtu', `${overlayMtu}`, 'type', 'veth', 'peer', 'host', 'netns', hub);
    ip('-n', hub, 'link', 'set', 'host', 'master', 'overlay', 'mtu', `${overlayMtu}`, 'up');
    ip('addr', 'add', `${this.hostAddress}/24`, 'dev', hostEnd);
    ip('link', 'set', hostEnd, ...unbatched, 'up');
  }

  #addNode(i: number): void {
    const { namespace, address } = this.nodes[i]!;
    const { hub } = this.#names;
    ip('netns', 'add', namespace);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    this.#plugIn(namespace, this.#names.cable(`${i}`), i + 1);
    this.#addTunnel(namespace, 'wire', i);
    ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'wire');
    ip('-n', namespace, 'link', 'set', 'wire', ...unbatched, 'up');
    this.#addTunnel(hub, `wire${i}`, i);
    ip('-n', hub, 'link', 'set', `wire${i}`, 'master', 'overlay', 'up');
  }

  #addTunnel(namespace: string, name: string, node: number): void {
    const relay = ['remote', `${this.#underlay}.${hostNumber}`, 'dstport', `${this.#relay.address().port}`];
    const vxlan = ['type', 'vxlan', 'id', `${node + 1}`, ...relay];
    ip('-n', namespace, 'link', 'add', name, 'mtu', `${overlayMtu}`, ...vxlan);
  }

  #plugIn(namespace: string, cable: string, number: number): void {
    ip('link', 'add', cable, 'type', 'veth', 'peer', 'eth0', 'netns', namespace);
    ip('link', 'set', cable, 'master', this.#names.bridge, 'up');
    ip('-n', namespace, 'addr', 'add', `${this.#underlay}.${number}/24`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  }
}

/** Why no network can be made here; null where one can. */
export function whyNoNetworks(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const names = new Names(process.pid, 0);
  try {
    ip('netns', 'add', names.node(0));
    ip('-n', names.node(0), 'link', 'add', 'wire', ...['type', 'vxlan', 'id', '1', 'dstport', '4789']);
    ip('link', 'add', names.bridge, 'type', 'bridge');
    return null;
  } catch (error) {
    return `network namespaces cannot be used here: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    removeNetwork(names);
  }
}

/** What carries a network's name. A process id leads to those that a killed test has left. */
class Names {
  readonly hub: string;
  readonly bridge: string;
  readonly hostEnd: string;
  readonly #link: string;

  constructor(
    readonly pid: number,
    readonly index: number,
  ) {
    // The name of an interface has at most 15 characters.
    this.#link = `${linkPrefix}${pid.toString(36)}.${index}.`;
    this.hub = `${this.#namespace}hub`;
    this.bridge = `${this.#link}b`;
    this.hostEnd = `${this.#link}x`;
  }

  node(i: number): string {
    return `${this.#namespace}${i}`;
  }

  cable(what: string): string {
    return `${this.#link}${what}`;
  }

  get #namespace(): string {
    return `${namespacePrefix}${this.pid}-${this.index}-`;
  }

  hasNamespace(name: string): boolean {
    return name.startsWith(this.#namespace);
  }

  hasLink(name: string): boolean {
    return name.startsWith(this.#link);
  }
}

const namespacePrefix = 'prospect-';
const linkPrefix = 'pt';

/** Two networks of 256 addresses, among those that no other network uses (RFC 6598). */
function subnets(pid: number, index: number): [underlay: string, overlay: string] {
  const first = ((pid * 8 + index) * 2) % 2 ** 14;
  const subnet = (number: number) => `100.${64 + (number >> 8)}.${number & 255}`;
  return [subnet(first), subnet(first + 1)];
}

function addSwitch({ bridge }: Names, underlay: string): void {
  ip('link', 'add', bridge, 'type', 'bridge');
  ip('addr', 'add', `${underlay}.${hostNumber}/24`, 'dev', bridge);
  ip('link', 'set', bridge, 'up');
}

function removeNetwork(names: Names): void {
  for (const name of namespaces().filter((name) => names.hasNamespace(name))) ip('netns', 'del', name);
  // Cables go with their namespaces, but not at once.
  for (const name of links().filter((name) => names.hasLink(name))) tryIp('link', 'del', name);
}

/** Removes what tests that were killed have left. */
function removeStaleNetworks(): void {
  const pattern = new RegExp(`^${namespacePrefix}(\\d+)-\\d+-`);
  for (const name of namespaces()) {
    const pid = pattern.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) tryIp('netns', 'del', name);
  }
  for (const name of links()) {
    const pid = new RegExp(`^${linkPrefix}([0-9a-z]+)\\.\\d+\\.`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${parseInt(pid, 36)}`)) tryIp('link', 'del', name);
  }
}

function namespaces(): string[] {
  return ip('netns', 'list')
    .split('\n')
    .map((line) => line.split(' ')[0]!);
}

function links(): string[] {
  return ip('-o', 'link', 'show')
    .split('\n')
    .map((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? '');
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** For what may just be going by itself. */
function tryIp(...args: readonly string[]): void {
  try {
    ip(...args);
  } catch {
    // It is gone already, or another test has just removed it.
  }
}
