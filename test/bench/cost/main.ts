/**
 * `node dist/test/bench/cost/main.js`: what a step's gradient and weights cost on a network, for more GPUs than there are here.
 * All computed, nothing measured but the two constants that say so.
 */
import { formatTable } from '../../../deploy/cli/output/table.js';
import { stepTraffic } from '../../../worker/estimate/traffic.js';
import { layOut, type ParameterLayout } from '../../../worker/parameters/layout.js';
import { runsOf } from '../../../worker/reduction/tree.js';
import { models, parameterCount, type TrainedModel } from './models.js';

const GPUS = [8, 16, 32, 64, 128, 256, 512, 1024];
const GPUS_PER_NODE = 8;
const LINKS_GBIT = [25, 100, 400];

/** CPU of a message to a peer, sent and received: of two all-gathers of 4 KB between 4 processes, over their 24, at load 10. */
const MESSAGE_SECONDS = 230e-6;
/** What a worker sends and receives in a second of CPU: all-reduce of 60 MB between 2 processes of one host, at load 12. */
const WORKER_BYTES_PER_SECOND = 0.86e9;

const GB = 1e9;

interface Cost {
  /** Of one worker, sent. */
  readonly workerBytes: number;
  /** That leave a node over its link. */
  readonly linkBytes: number;
  /** Of one worker to its peers, in one phase. */
  readonly messages: number;
}

/** As it is: every worker sends every owner its part. Here each worker has one partial sum. */
function direct(layout: ParameterLayout, gpus: number): Cost {
  const runs = runsOf(Array.from({ length: gpus + 1 }, (_, index) => index));
  const { sentBytes } = stepTraffic(layout, { runs, leafCount: gpus }, 1);
  const bytes = 4 * layout.size;
  const outside = gpus - GPUS_PER_NODE;
  // Gradients to the owners outside and weights to all outside, of every worker of the node; one passes on a copy of its part.
  const linkBytes = outside === 0 ? 0 : (2 * GPUS_PER_NODE * bytes * outside + bytes) / gpus;
  return { workerBytes: sentBytes, linkBytes, messages: gpus - 1 };
}

/** What comes then: first inside of each node, then each worker with those of its place in the other nodes, and back. */
function byNode(layout: ParameterLayout, gpus: number): Cost {
  const bytes = 4 * layout.size;
  const nodes = gpus / GPUS_PER_NODE;
  const inside = (2 * bytes * (GPUS_PER_NODE - 1)) / GPUS_PER_NODE;
  const between = (2 * bytes * (nodes - 1)) / gpus;
  const copy = bytes / gpus;
  return {
    workerBytes: inside + between + copy,
    linkBytes: nodes === 1 ? 0 : GPUS_PER_NODE * between + copy,
    messages: GPUS_PER_NODE - 1 + nodes - 1,
  };
}

/** Two phases: gradients, weights. */
const linkSeconds = ({ linkBytes, messages }: Cost, gbit: number) =>
  (8 * linkBytes) / (gbit * 1e9) + 2 * messages * MESSAGE_SECONDS;

function tableOf(layout: ParameterLayout, cost: typeof direct): string[] {
  const header = [
    'GPUs',
    'worker sends GB',
    'link GB',
    'MB a message',
    'peers',
    ...LINKS_GBIT.map((gbit) => `s at ${gbit} Gbit/s`),
  ];
  const rows = GPUS.map((gpus) => {
    const one = cost(layout, gpus);
    return [
      String(gpus),
      (one.workerBytes / GB).toFixed(2),
      (one.linkBytes / GB).toFixed(2),
      ((4 * layout.size) / gpus / 1e6).toFixed(2),
      String(one.messages),
      ...LINKS_GBIT.map((gbit) => linkSeconds(one, gbit).toFixed(3)),
    ];
  });
  return formatTable({ header, rows });
}

/** From how many workers of one GPU a node on, the messages of direct exchange take longer than its bytes. */
function messagesOutweigh(layout: ParameterLayout, gbit: number): number {
  const bytes = 4 * layout.size;
  const outweigh = (workers: number) =>
    2 * (workers - 1) * MESSAGE_SECONDS > (8 * 2 * bytes * (workers - 1)) / workers / (gbit * 1e9);
  let workers = 2;
  while (!outweigh(workers)) workers *= 2;
  return workers;
}

function linesOf(model: TrainedModel): string[] {
  const layout = layOut(model.trainable);
  const onProcessor = (cost: Cost) => ((2 * cost.workerBytes) / WORKER_BYTES_PER_SECOND).toFixed(2);
  const outweighed = LINKS_GBIT.map((gbit) => `${gbit} Gbit/s: ${messagesOutweigh(layout, gbit)}`).join(', ');
  return [
    `${model.name}: ${(parameterCount(model) / 1e6).toFixed(0)} M trainable parameters, ${((4 * layout.size) / GB).toFixed(2)} GB of float32`,
    '',
    'direct, as it is:',
    ...tableOf(layout, direct),
    '',
    'by node, first inside, then between:',
    ...tableOf(layout, byNode),
    '',
    `a worker's processor at ${WORKER_BYTES_PER_SECOND / GB} GB/s: ${onProcessor(direct(layout, 1024))} s, whatever the link`,
    `with one GPU a node, messages take longer than bytes from so many workers on: ${outweighed}`,
    '',
  ];
}

console.log(`computed, not measured; ${GPUS_PER_NODE} GPUs and one link a node\n`);
for (const model of models) console.log(linesOf(model).join('\n'));
