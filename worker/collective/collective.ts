import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Dealer, Router } from 'zeromq';

import { RunError, messageOf } from '../../lib/errors.js';
import { isCurveKey } from '../../lib/security/curve-key.js';
import type { FlatBuffer } from '../parameters/flat-buffer.js';
import type { ParameterLayout } from '../parameters/layout.js';
import type { LeafRun } from '../reduction/tree.js';
import { allGatherPartsPlan } from './all-gather-parts.js';
import { Admission } from './admission.js';
import { CollectiveError } from './collective-error.js';
import { newCurve, type CollectiveSecurity, type Curve } from './curve.js';
import { FrameError, decodeFrame, hashRun, routingIdOf, type Frame } from './frame.js';
import { gatherPlan } from './gather.js';
import { Greetings } from './greetings.js';
import { Group } from './group.js';
import { LONG_PAYLOAD_BYTES } from './peer-link.js';
import { planReduceScatter, type LocalNode, type NodePart } from './reduce-scatter.js';
import { receivingSocket, sendingSocket } from './sockets.js';
import { StagingMemory } from './staging-memory.js';
import type { OperationTag } from './tag.js';
import { noTraffic, type Traffic } from './traffic.js';
import { transferPlan, type Transfer } from './transfer.js';

export type { Readiness } from './readiness.js';
export type { LocalNode, NodePart } from './reduce-scatter.js';
export type { OperationTag } from './tag.js';
export type { Traffic } from './traffic.js';
export type { Transfer } from './transfer.js';

/** A peer that is in the next generation already waits no longer than this for the news to come here. */
const LONGEST_PATIENCE_MS = 10_000;

export interface CollectiveOptions {
  /** Frames of another run are dropped. */
  readonly runId: string;
  /** The address to listen on, e.g. 127.0.0.1. */
  readonly host: string;
  /** How long an operation may stand still before it fails in the name of the peers that are waited for. */
  readonly timeoutMs: number;
  readonly security: CollectiveSecurity;
}

/** The ranks of one generation. */
export interface Peers {
  readonly generation: number;
  readonly rank: number;
  /** By rank, own included. */
  readonly endpoints: readonly string[];
  /** By rank, own included; absent, or empty texts, where the collective is plain. */
  readonly publicKeys?: readonly string[];
}

/**
 * The operations between the workers of a run, over ZeroMQ (DESIGN section 4). For the main thread only.
 *
 * All ranks call the same operations with the same tags, in growing order of the tags. Every operation resolves when this
 * rank has received everything and what it sent may be written again. Whatever goes wrong (a peer dies, stalls or sends
 * what it should not) rejects the pending operations, and all later ones of the generation, with a CollectiveError that
 * names the peer; `connect` with a new generation starts afresh.
 */
export class Collective {
  /** Where peers reach this worker. */
  readonly endpoint: string;
  /** By which peers know this worker; empty where the collective is plain. */
  readonly publicKey: string;
  readonly traffic: Readonly<Traffic>;
  private readonly run: Buffer;
  private readonly staging = new StagingMemory();
  private readonly receiving: Promise<void>;
  private group: Group | undefined;
  private readonly greetings = new Greetings();
  private scattering = false;
  private closed = false;

  private constructor(
    private readonly router: Router,
    private readonly options: CollectiveOptions,
    private readonly counters: Traffic,
    private readonly protection: { readonly curve: Curve; readonly admission: Admission } | null,
  ) {
    this.publicKey = protection?.curve.publicKey ?? '';
    this.endpoint = router.lastEndpoint!;
    this.traffic = this.counters;
    this.run = hashRun(options.runId);
    this.receiving = this.receiveAll();
  }

  /** Listens on a free port of the host. */
  static async bind(options: CollectiveOptions): Promise<Collective> {
    const counters = noTraffic();
    const refused = () => counters.refusedPeers++;
    const curve = options.security === 'curve' ? newCurve() : null;
    const patienceMs = Math.min(LONGEST_PATIENCE_MS, options.timeoutMs / 10);
    const admission = curve === null ? null : await Admission.open(curve.context, refused, patienceMs);
    const router = receivingSocket(curve);
    // Whoever does not speak CURVE to the right key never gets so far that the admission is asked.
    if (curve !== null) router.events.on('handshake:error:protocol', refused);
    try {
      await router.bind(`tcp://${options.host}:*`);
    } catch (error) {
      router.close();
      await admission?.close();
      throw new RunError(`cannot listen for other workers on ${options.host}: ${messageOf(error)}`);
    }
    const protection = curve === null || admission === null ? null : { curve, admission };
    return new Collective(router, options, counters, protection);
  }

  /**
   * Joins a generation, and resolves when all its ranks have. Ends the generation before it; generations grow.
   *
   * @throws RunError where some of the workers encrypt and others do not
   */
  async connect({ generation, rank, endpoints, publicKeys = noKeys(endpoints) }: Peers): Promise<void> {
    if (this.closed) throw new Error('the collective is closed');
    const current = this.generation;
    if (generation <= current) throw new RangeError(`generation ${generation} after generation ${current}`);
    if (endpoints[rank] === undefined) throw new RangeError(`rank ${rank} of ${endpoints.length}`);
    this.requireKeys(publicKeys, endpoints);
    this.group?.fail(new CollectiveError(`generation ${generation} has replaced generation ${current}`));
    const sender = { run: this.run, generation, rank };
    const openSocket = (peer: number) => this.openSocket(routingIdOf(sender), publicKeys[peer]!);
    const group = new Group(sender, endpoints, this.options.timeoutMs, this.counters, openSocket);
    this.protection?.admission.setMembers(publicKeys);
    this.group = group;
    const joined = group.join();
    for (const frame of this.greetings.take(generation)) group.accept(frame);
    await joined;
  }

  /** Everyone's payload, by rank. The payload must not be written before this resolves. */
  async allGather(tag: OperationTag, payload: Uint8Array): Promise<Uint8Array[]> {
    const group = this.connected();
    const received: Uint8Array[] = [];
    received[group.sender.rank] = payload;
    await group.exchange(tag, gatherPlan(payload, received));
    return received;
  }

  /**
   * Sends each rank its owned part of this rank's nodes (`local`: the nodes that cover its run, in leaf order), and
   * resolves to the values of all nodes of the tree over this rank's own range, in leaf order. The memory of the parts
   * is good until the next reduceScatter. May begin while the local values are still computed: see `LocalNode.ready`.
   */
  async reduceScatter(
    tag: OperationTag,
    layout: ParameterLayout,
    local: readonly LocalNode[],
    runs: readonly LeafRun[],
    leafCount: number,
  ): Promise<readonly NodePart[]> {
    const group = this.connected();
    if (runs.length !== group.worldSize)
      throw new RangeError(`${runs.length} runs for ${group.worldSize} ranks`);
    if (this.scattering) throw new Error('a reduceScatter is still under way in the same memory');
    const { plan, parts } = planReduceScatter(
      group.sender.rank,
      layout,
      local,
      runs,
      leafCount,
      this.staging,
    );
    this.scattering = true;
    try {
      await group.exchange(tag, plan);
    } finally {
      this.scattering = false;
    }
    return parts;
  }

  /** Sends this rank's owned range of `values` to all others, and fills in theirs. */
  async allGatherParts(tag: OperationTag, values: FlatBuffer): Promise<void> {
    const group = this.connected();
    await group.exchange(tag, allGatherPartsPlan(group.sender.rank, group.worldSize, values));
  }

  /** Moves values between ranks as all of them have agreed. */
  async transfer(tag: OperationTag, transfer: Transfer): Promise<void> {
    await this.connected().exchange(tag, transferPlan(transfer));
  }

  /** Rejects what is pending, and all later operations of this generation, with `reason`. */
  abort(reason: Error): void {
    this.group?.fail(reason);
  }

  /** Rejects what is pending, lets the peers read what was sent last, and leaves no socket behind. */
  async close(): Promise<void> {
    if (!this.closed) {
      this.closed = true;
      await this.group?.leave();
      this.group?.fail(new Error('the collective is closed'));
      this.router.close();
      await this.protection?.admission.close();
    }
    await this.receiving;
  }

  private requireKeys(publicKeys: readonly string[], endpoints: readonly string[]): void {
    const isSound = (key: string | undefined) =>
      this.protection === null ? key === '' : isCurveKey(key ?? '');
    const unlike = endpoints.findIndex((_, rank) => !isSound(publicKeys[rank]));
    if (unlike < 0) return;
    const [mine, theirs] = this.protection === null ? ['plain', 'encrypted'] : ['encrypted', 'plain'];
    throw new RunError(
      `the traffic of this worker is ${mine}, that of rank ${unlike} (${endpoints[unlike]!}) is ${theirs}: ` +
        'start all workers of a run with the same --collective-security',
    );
  }

  private openSocket(routingId: string, peerKey: string): Dealer {
    if (this.protection === null) return sendingSocket(routingId);
    return sendingSocket(routingId, { ...this.protection.curve, peerKey });
  }

  private connected(): Group {
    if (!this.group) throw new Error('the collective has not connected to its peers yet');
    return this.group;
  }

  private async receiveAll(): Promise<void> {
    try {
      while (!this.router.closed) {
        const [routingId, ...parts] = await this.router.receive();
        const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
        const before = this.counters.receivedBytes;
        this.counters.receivedBytes += bytes;
        this.take(routingId!.toString('latin1'), parts);
        if (this.counters.receivedBytes - before >= LONG_PAYLOAD_BYTES) await nextTurn();
      }
    } catch (error) {
      // Closing the socket ends the pending receive with an error.
      if (!this.closed)
        this.abort(new CollectiveError(`cannot receive from other workers: ${messageOf(error)}`));
    }
  }

  private take(routingId: string, parts: readonly Buffer[]): void {
    if (this.group?.hasPeer(routingId)) this.group.receive(routingId, parts);
    else this.takeFromOutside(routingId, parts);
  }

  /** Not from a peer of this generation: a peer that is in the next one already, one that is behind, or a stranger. */
  private takeFromOutside(routingId: string, parts: readonly Buffer[]): void {
    const frame = readableFrame(parts);
    if (!frame || routingIdOf(frame) !== routingId || !frame.run.equals(this.run))
      this.counters.foreignFrames++;
    else if (frame.kind !== 'hello' || frame.generation <= this.generation) this.counters.staleFrames++;
    else if (!this.greetings.keep(routingId, frame)) this.counters.staleFrames++;
  }

  /** Below all others before the first. */
  private get generation(): number {
    return this.group?.sender.generation ?? -1;
  }
}

const noKeys = (endpoints: readonly string[]) => endpoints.map(() => '');

function readableFrame(parts: readonly Buffer[]): Frame | undefined {
  try {
    return decodeFrame(parts);
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
}
