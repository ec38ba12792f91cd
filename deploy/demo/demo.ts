import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { encodePrompt } from '../../coordinator/data/prompt.js';
import { TextTokenizer } from '../../coordinator/data/tokenizer.js';
import { requireNoRun } from '../cli/embedded/run-embedded.js';
import { withInference } from '../cli/inference/session.js';
import { packagePath } from '../../lib/package.js';
import type { Terminal } from '../cli/output/terminal.js';
import { wrapText } from '../cli/output/wrap.js';
import { train } from '../cli/train.js';
import type { Row } from './feedback.js';
import { writeTinyModel } from './tiny-model.js';

const defaultOutputDir = 'demo-run';
const startModel = 'start-model';
const seed = 1;

/** Emails that replies are sampled to, and how. */
const sampling = {
  emails: 4,
  options: { temperature: 0.7, topP: 0.95, maxNewTokens: 80, seed, stopIds: [] },
} as const;

/**
 * Supervised fine-tuning and KTO of a tiny model on replies to customer emails, by the same path as `prospect train`.
 *
 * @param out where the run goes; null for `demo-run`, where an earlier demo is replaced
 */
export async function runDemo(out: string | null, terminal: Terminal): Promise<void> {
  const outputDir = resolve(out ?? defaultOutputDir);
  if (out === null && existsSync(join(outputDir, startModel))) await rm(outputDir, { recursive: true });
  requireNoRun(outputDir);
  const dataDir = packagePath('deploy/demo/data');
  const start = join(outputDir, startModel);
  await writeTinyModel(start, dataDir, seed);

  terminal.err.line(
    'A tiny model learns how a shop answers emails, well and badly (sft), and then from thumbs up',
  );
  terminal.err.line('and down which replies customers want (kto): two workers and a frozen reference.');
  const { before, after } = await train(
    {
      runFile: packagePath('deploy/demo/demo.yaml'),
      overrides: [`model=${JSON.stringify(start)}`],
      outputDir,
      skipBadRows: false,
      resume: false,
      profile: false,
    },
    terminal,
  );
  await showReplies(join(dataDir, 'held-out.jsonl'), before, after, terminal);
  showWhatNext(after, terminal);
}

/** Samples replies to the same emails, with the same seed, from the model of before KTO and the one of after it. */
async function showReplies(heldOut: string, before: string, after: string, { out }: Terminal): Promise<void> {
  const lines = (await readFile(heldOut, 'utf8')).split('\n').slice(0, sampling.emails);
  const prompts = lines.map((line) => (JSON.parse(line) as Row).prompt);
  const tokenizer = TextTokenizer.load(after);
  const promptIds = prompts.map((prompt) => encodePrompt(prompt, tokenizer).ids);
  const replies = await withInference(async (inference) => {
    const sample = async (modelDir: string) => {
      const ids = await inference('generate', { modelDir, prompts: promptIds, options: sampling.options });
      return ids.map((reply) => tokenizer.decode(reply, { skipSpecialTokens: true }));
    };
    return { before: await sample(before), after: await sample(after) };
  });
  const { bold, red, green } = out.style;
  out.line('Replies to emails that it never saw, sampled with the same seed before and after KTO:');
  prompts.forEach((prompt, index) => {
    out.line('');
    out.line(bold(prompt.map(({ content }) => content).join('\n')));
    for (const line of labelled('before', replies.before[index]!, out.columns())) out.line(red(line));
    for (const line of labelled('after', replies.after[index]!, out.columns())) out.line(green(line));
  });
}

const labelWidth = 10;

/** A reply, wrapped beside its label. */
function labelled(label: string, reply: string, columns: number): string[] {
  return wrapText(reply, columns - labelWidth - 1).map(
    (line, index) => (index === 0 ? `  ${label}` : '').padEnd(labelWidth) + line,
  );
}

function showWhatNext(modelDir: string, { out }: Terminal): void {
  const path = JSON.stringify(modelDir);
  out.line('');
  out.line(`The trained model: ${modelDir}`);
  out.line('In Python:');
  out.line(`  from transformers import AutoModelForCausalLM, AutoTokenizer`);
  out.line(
    `  model, tokenizer = (kind.from_pretrained(${path}) for kind in (AutoModelForCausalLM, AutoTokenizer))`,
  );
}
