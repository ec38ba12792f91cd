import { RunError } from '../../lib/errors.js';
import { v1 } from '../../proto/services.js';
import type { Generation } from '../cluster/generation.js';
import { comesAfter, type Interlude } from './interlude.js';
import { samplesLine } from './samples-line.js';
import type { StageContext } from './stage-context.js';
import type { StageSamples } from './stage-samples.js';

/** Has the first worker continue some prompts, for people to look at. */
export class Sampler implements Interlude {
  readonly #context: StageContext;
  readonly #samples: StageSamples;
  /** Steps after which the journal has completions. */
  readonly #done = new Set<number>();

  constructor(context: StageContext, samples: StageSamples) {
    const { run, stage } = context;
    this.#context = context;
    this.#samples = samples;
    for (const { completionsSampled } of run.journal.events(run.record.id)) {
      if (completionsSampled?.stage === stage.number) this.#done.add(completionsSampled.step ?? 0);
    }
  }

  isDue(step: number): boolean {
    const { totalSteps } = this.#context.stage.planner;
    return comesAfter(step, this.#samples.config.everySteps, totalSteps) && !this.#done.has(step);
  }

  /** The other members get no work, so that none of them holds another state by it. */
  async run(generation: Generation, step: number): Promise<void> {
    const { run, stage, files, board } = this.#context;
    const { prompts, config } = this.#samples;
    const { maxNewTokens, temperature } = config;
    const sampleWork = {
      stage: stage.number,
      step,
      generation: generation.number,
      prompts: prompts.map((ids) => ({ ids: Array.from(ids) })),
      maxNewTokens,
      temperature,
      // The same each time: what differs is the policy.
      seed: stage.config.seed,
    };
    generation.send(0, { sampleWork });
    const samples = this.#read(await generation.receive(0, 'samples'), sampleWork, generation.workerId(0));
    const completions = samples.map((sample, index) => this.#decode(prompts[index]!, sample));
    const completionsSampled = { stage: stage.number, step, completions };
    run.journal.addEvent(run.record.id, { completionsSampled });
    this.#done.add(step);
    await files.append('samples', samplesLine(completionsSampled));
    await board.appendSamples({ step, completions });
  }

  #read(
    answer: v1.Samples.$Properties,
    sent: Required<Pick<v1.SampleWork.$Properties, 'stage' | 'step' | 'generation'>>,
    workerId: string,
  ): readonly v1.Sample[] {
    const { stage, step, generation, samples } = v1.Samples.create(answer);
    const { length: due } = this.#samples.prompts;
    if (stage !== sent.stage || step !== sent.step || generation !== sent.generation) {
      throw new RunError(
        `${workerId} continued the prompts of stage ${stage}, step ${step}, not step ${sent.step}`,
      );
    }
    if (samples.length !== due) {
      throw new RunError(`${workerId} continued ${samples.length} prompts instead of ${due}`);
    }
    return samples.map((sample) => v1.Sample.create(sample));
  }

  /** As the model reads the prompt, and as people read the completion. */
  #decode(prompt: Int32Array, { ids, cut }: v1.Sample) {
    const { tokenizer } = this.#samples;
    // The token that ends the completions of the rows may be another one than the model's own files name.
    const end = ids.indexOf(tokenizer.eosId);
    return {
      prompt: tokenizer.decode(prompt, { skipSpecialTokens: false }),
      completion: tokenizer.decode(end < 0 ? ids : ids.slice(0, end), { skipSpecialTokens: true }),
      cut: cut && end < 0,
    };
  }
}
