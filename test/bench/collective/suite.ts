import { freemem } from 'node:os';

import { sampleOf } from '../sample.js';
import type { Measurement, Suite } from '../suite.js';
import { glooGroup } from './gloo-group.js';
import type { Group, Operation, Taken } from './operation.js';
import { prospectGroup } from './prospect-group.js';

interface Case {
  readonly name: string;
  readonly operation: Operation;
  /** Per round. */
  readonly iterations: number;
}

const MB = 1e6;
const allReduce = (megabytes: number, iterations: number): Case => ({
  name: `all-reduce ${megabytes} MB`,
  operation: { kind: 'allReduce', bytes: megabytes * MB },
  iterations,
});
const cases: readonly Case[] = [
  { name: 'all-gather 4 KB', operation: { kind: 'allGather', bytes: 4096 }, iterations: 200 },
  { name: 'all-reduce 4 KB', operation: { kind: 'allReduce', bytes: 4096 }, iterations: 200 },
  allReduce(4, 20),
  allReduce(60, 5),
  allReduce(540, 1),
];
const setUps = [
  { worldSize: 2, security: 'plain' },
  { worldSize: 4, security: 'plain' },
  { worldSize: 2, security: 'curve' },
] as const;
const ROUNDS = 5;

/** Buffers of a process of either side: given, staged and summed. */
const BUFFERS_PER_PROCESS = 3;

export const collectiveSuite: Suite = {
  name: 'collective',
  baseline: 'gloo',
  async run(options) {
    const measurements: Measurement[] = [];
    const notMeasured: string[] = [
      'a network between the processes: all run on this machine and talk over its loopback',
    ];
    for (const { worldSize, security } of setUps) {
      const ours = await prospectGroup(worldSize, security);
      // It does not encrypt.
      const theirs = options.baseline && security === 'plain' ? glooGroup(options.python!, worldSize) : null;
      try {
        for (const one of cases) {
          const name = `${one.name}, ${worldSize} processes${security === 'curve' ? ', encrypted' : ''}`;
          const needed = 2 * worldSize * BUFFERS_PER_PROCESS * one.operation.bytes;
          if (needed > freemem()) {
            notMeasured.push(`${name}: it takes ${(needed / 2 ** 30).toFixed(0)} GiB of memory`);
            continue;
          }
          options.onProgress(name);
          measurements.push(await measure(name, one, worldSize, ours, theirs));
        }
      } finally {
        await Promise.all([ours.close(), theirs?.close()]);
      }
    }
    return { measurements, notMeasured };
  },
};

/** In rounds, the two sides by turns: what disturbs the machine disturbs both. */
async function measure(
  name: string,
  { operation, iterations }: Case,
  worldSize: number,
  ours: Group,
  theirs: Group | null,
): Promise<Measurement> {
  // Warm-up.
  for (const group of [ours, theirs]) await group?.run(operation, 2);
  const rounds: { ours: Taken[]; theirs: Taken[] } = { ours: [], theirs: [] };
  for (let round = 0; round < ROUNDS; round++) {
    rounds.ours.push(await ours.run(operation, iterations));
    if (theirs) rounds.theirs.push(await theirs.run(operation, iterations));
  }
  const milliseconds = timesOf(rounds.ours);
  const algorithmic = operation.bytes / milliseconds.median / MB;
  // What every process must send and receive at least (NCCL's convention).
  const share = (worldSize - 1) / worldSize;
  const figures = {
    'algorithmic GB/s': algorithmic,
    'bus GB/s': algorithmic * (operation.kind === 'allReduce' ? 2 * share : worldSize * share),
    'CPU ms': cpuOf(rounds.ours),
    ...(theirs && { 'gloo CPU ms': cpuOf(rounds.theirs) }),
  };
  return { name, milliseconds, baseline: theirs && timesOf(rounds.theirs), figures };
}

const timesOf = (rounds: readonly Taken[]) => sampleOf(rounds.flatMap(({ milliseconds }) => milliseconds));
const cpuOf = (rounds: readonly Taken[]) =>
  sampleOf(rounds.map(({ cpuMilliseconds }) => cpuMilliseconds)).median;
