import type { FlatBuffer } from '../parameters/flat-buffer.js';
import { ownedRange, type ParameterLayout } from '../parameters/layout.js';
import { coveringNodes, sameNode, type LeafRun, type TreeNode } from '../reduction/tree.js';
import { digestOf, mustAgree } from './agreement.js';
import type { ExchangePlan, PieceReadiness } from './exchange.js';
import { chunksOf, piecesOf, type Piece } from './pieces.js';
import { ALL_FINAL, type Readiness } from './readiness.js';
import type { StagingMemory } from './staging-memory.js';

/** A partial sum that this rank computed. */
export interface LocalNode {
  readonly node: TreeNode;
  readonly values: FlatBuffer;
  /** Which of the values are final; without it, all. Others are sent as soon as they are. */
  readonly ready?: Readiness;
}

/**
 * One node's values over this rank's owned range. `memory` is shared so that the compute thread can finish the tree; for
 * a local node it is null and the values lie in the local FlatBuffer.
 */
export interface NodePart {
  readonly node: TreeNode;
  readonly memory: SharedArrayBuffer | null;
}

export interface ReduceScatter {
  readonly plan: ExchangePlan;
  /** Every node of the tree, in leaf order: what `finishTree` needs once the exchange is done. */
  readonly parts: readonly NodePart[];
}

/** Every rank sends each owner its part of each of its nodes. */
export function planReduceScatter(
  rank: number,
  layout: ParameterLayout,
  local: readonly LocalNode[],
  runs: readonly LeafRun[],
  leafCount: number,
  staging: StagingMemory,
): ReduceScatter {
  const worldSize = runs.length;
  const owned = ownedRange(layout, rank, worldSize);
  const nodesByRank = runs.map((run) => coveringNodes(run, leafCount));
  checkLocalNodes(local, nodesByRank[rank]!);

  let staged = 0;
  const stage = () => staging.take(staged++, (owned.end - owned.start) * Float32Array.BYTES_PER_ELEMENT);
  const partsByRank = nodesByRank.map((nodes, from) =>
    nodes.map((node): NodePart => ({ node, memory: from === rank ? null : stage() })),
  );
  const announcement = digestOf([layout.segments, runs, leafCount]);

  return {
    parts: partsByRank.flat(),
    plan: {
      announcement,
      *outgoing(to) {
        const range = ownedRange(layout, to, worldSize);
        for (const { node, values } of local) yield* piecesOf(values, range, node);
      },
      readiness: readinessOf(local),
      incoming(from, theirs) {
        mustAgree(announcement, theirs, 'parameter layout or cut of the leaves into runs');
        return incomingPieces(partsByRank[from]!);
      },
    },
  };

  function* incomingPieces(parts: readonly NodePart[]): Generator<Piece> {
    for (const { node, memory } of parts) {
      for (const { start, end } of chunksOf(layout, owned)) {
        const byteOffset = (start - owned.start) * Float32Array.BYTES_PER_ELEMENT;
        const byteLength = (end - start) * Float32Array.BYTES_PER_ELEMENT;
        yield { node, offset: start, bytes: new Uint8Array(memory!, byteOffset, byteLength) };
      }
    }
  }
}

function readinessOf(local: readonly LocalNode[]): PieceReadiness {
  const byNode = new Map(local.map(({ node, ready = ALL_FINAL }) => [node.firstLeaf, ready]));
  const all = [...byNode.values()];
  return {
    get complete() {
      return all.every(({ complete }) => complete);
    },
    isFinal: ({ node, offset, bytes }) =>
      byNode
        .get(node.firstLeaf)!
        .covers({ start: offset, end: offset + bytes.byteLength / Float32Array.BYTES_PER_ELEMENT }),
    onGrowth(listener) {
      const stops = all.map((ready) => ready.onGrowth(listener));
      return () => stops.forEach((stop) => stop());
    },
  };
}

function checkLocalNodes(local: readonly LocalNode[], expected: readonly TreeNode[]): void {
  const fits =
    local.length === expected.length && local.every(({ node }, index) => sameNode(node, expected[index]!));
  if (!fits) throw new RangeError('the local partial sums are not the nodes that cover the run of this rank');
}
