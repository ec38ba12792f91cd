/** One process of the bench, laid out as a worker: sockets on the main thread, sums on the compute thread. */
import { Collective, type Peers } from '../../../worker/collective/collective.js';
import { EngineThread } from '../../../worker/compute/engine-thread.js';
import { FlatBuffer } from '../../../worker/parameters/flat-buffer.js';
import { runsOf } from '../../../worker/reduction/tree.js';
import type { Operation, RankTaken } from './operation.js';
import type { OpenReducing, ReducingEngine } from './reducing-thread.js';

export type RankCommand =
  | ({ readonly kind: 'connect' } & Omit<Peers, 'generation'>)
  | { readonly kind: 'run'; readonly operation: Operation; readonly iterations: number }
  | { readonly kind: 'close' };

export type RankAnswer =
  | { readonly kind: 'bound'; readonly endpoint: string; readonly publicKey: string }
  | { readonly kind: 'connected' }
  | ({ readonly kind: 'times' } & RankTaken);

type Repeat = () => Promise<unknown>;

const answer = (message: RankAnswer) => process.send!(message);
const security = process.argv[2] === 'curve' ? 'curve' : 'plain';
const collective = await Collective.bind({ runId: 'bench', host: '127.0.0.1', timeoutMs: 60_000, security });
const thread = new EngineThread<OpenReducing, ReducingEngine>(
  new URL('./reducing-thread.js', import.meta.url),
);
let place = { rank: 0, worldSize: 1 };
let step = 0;
let prepared: { readonly key: string; readonly repeat: Repeat } | null = null;

process.on('message', (command: RankCommand) => {
  void obey(command);
});
answer({ kind: 'bound', endpoint: collective.endpoint, publicKey: collective.publicKey });

async function obey(command: RankCommand): Promise<void> {
  switch (command.kind) {
    case 'connect': {
      place = { rank: command.rank, worldSize: command.endpoints.length };
      await collective.connect({ ...command, generation: 1 });
      answer({ kind: 'connected' });
      break;
    }
    case 'run':
      answer({ kind: 'times', ...(await timed(command.operation, command.iterations)) });
      break;
    case 'close':
      await collective.close();
      await thread.terminate();
      process.disconnect();
  }
}

const tag = (phase: number) => ({ stage: 0, step, phase });

async function timed(operation: Operation, iterations: number): Promise<RankTaken> {
  const key = JSON.stringify(operation);
  if (prepared?.key !== key) prepared = { key, repeat: await prepare(operation) };
  const milliseconds: number[] = [];
  const before = process.cpuUsage();
  for (let iteration = 0; iteration < iterations; iteration++) {
    step++;
    await collective.allGather(tag(0), new Uint8Array(0));
    const start = performance.now();
    await prepared.repeat();
    milliseconds.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(before);
  return { milliseconds, cpuMilliseconds: (user + system) / 1000 };
}

/** Less than a block of parameters is not cut into parts: what workers share beside gradients is gathered, then summed. */
async function prepare({ kind, bytes }: Operation): Promise<Repeat> {
  const elements = bytes / Float32Array.BYTES_PER_ELEMENT;
  if (kind === 'allGather') return () => collective.allGather(tag(1), new Uint8Array(bytes).fill(1));
  return bytes < 2 ** 16 ? gatherAndSum(new Float32Array(elements).fill(1)) : reduceByParts(elements);
}

function gatherAndSum(values: Float32Array): Repeat {
  const payload = new Uint8Array(values.buffer);
  return async () => {
    const gathered = await collective.allGather(tag(1), payload);
    const sum = new Float32Array(values.length);
    for (const theirs of gathered) {
      const addends = new Float32Array(theirs.slice().buffer);
      for (let index = 0; index < sum.length; index++) sum[index] = sum[index]! + addends[index]!;
    }
    return sum;
  };
}

async function reduceByParts(elements: number): Promise<Repeat> {
  const { rank, worldSize } = place;
  await thread.open({ elements, rank, worldSize });
  const { layout, gradient, sum } = await thread.call('opened');
  const local = [{ node: { firstLeaf: rank, span: 1 }, values: FlatBuffer.wrap(layout, gradient) }];
  const result = FlatBuffer.wrap(layout, sum);
  const runs = runsOf(Array.from({ length: worldSize + 1 }, (_, index) => index));
  return async () => {
    const parts = await collective.reduceScatter(tag(1), layout, local, runs, worldSize);
    await thread.call('finish', parts, worldSize);
    await collective.allGatherParts(tag(2), result);
  };
}
