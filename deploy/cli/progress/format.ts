import { formatDuration, formatRate } from '../output/numbers.js';
import type { Style } from '../output/style.js';
import { speedOf, type StageProgress } from './state.js';

export const narrowestBar = 10;
export const widestBar = 32;

/** `kto 2/2  ━━━━━━────  12/64  loss 0.4821  kl 0.1201  margin 1.032  3.21k tokens/s  ETA 0:21`, at most `columns` wide. */
export function formatBarLine(progress: StageProgress, columns: number, style: Style): string {
  const title = titleOf(progress);
  const step = progress.last?.step ?? 0;
  const count = `${step}/${progress.totalSteps}`;
  const facts = factsOf(progress);
  const widthWithoutBar = (shown: readonly string[]) => [title, '', count, ...shown].join('  ').length;
  // In a narrow window the facts at the end go first.
  while (facts.length > 0 && widthWithoutBar(facts) + narrowestBar > columns) facts.pop();
  const room = columns - widthWithoutBar(facts);
  const bar =
    room < narrowestBar ? [] : [formatBar(step / progress.totalSteps, Math.min(room, widestBar), style)];
  return [style.bold(title), ...bar, count, ...facts].join('  ');
}

/** `kto 2/2  step 12/64  loss 0.4821 …`: the same facts for a log. */
export function formatPlainLine(progress: StageProgress): string {
  const step = progress.last?.step ?? 0;
  return [titleOf(progress), `step ${step}/${progress.totalSteps}`, ...factsOf(progress)].join('  ');
}

function titleOf({ method, stage, stageCount }: StageProgress): string {
  return stageCount === 1 ? method : `${method} ${stage}/${stageCount}`;
}

/** `━━━━────` */
export function formatBar(share: number, width: number, style: Style): string {
  const filled = Math.round(Math.min(1, share) * width);
  return style.green('━'.repeat(filled)) + style.dim('─'.repeat(width - filled));
}

function factsOf(progress: StageProgress): string[] {
  const { last } = progress;
  if (last === null) return ['waiting for the first step'];
  const facts: string[] = [];
  const show = (name: string, value: number | null) => {
    if (value !== null) facts.push(`${name} ${value.toPrecision(4)}`);
  };
  show('loss', last.loss);
  show('kl', last.kl);
  show('margin', last['rewards/margins']);
  const speed = speedOf(progress);
  if (speed !== null) {
    facts.push(`${formatRate(speed.tokensPerSecond)} tokens/s`, `ETA ${formatDuration(speed.remainingMs)}`);
  }
  return facts;
}
