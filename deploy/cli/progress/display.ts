import type { Output } from '../output/terminal.js';
import { RedrawnLine } from '../output/redrawn-line.js';
import type { Style } from '../output/style.js';
import { formatBarLine, formatPlainLine } from './format.js';
import type { StageProgress } from './state.js';

/** Something that happened, in a line. */
export interface StoryLine {
  readonly text: string;
  readonly tone: 'plain' | 'warning' | 'failure';
}

/** Shows how a stage goes on, and whole lines (notices, warnings) without spoiling it. */
export interface ProgressDisplay {
  update(progress: StageProgress, timeMs: number): void;
  /** What happened to the run, and when. */
  tell(line: StoryLine, timeMs: number): void;
  line(text: string): void;
  warning(text: string): void;
  /** Leaves the last state on the screen and goes on below it. */
  end(): void;
}

/** What begins each line that is of a time (ms since the epoch). */
export type Stamp = (timeMs: number) => string;

export function createProgressDisplay(output: Output, stamp: Stamp = () => ''): ProgressDisplay {
  const display = output.interactive ? redrawnLine(output) : plainLines(output, stamp);
  const tell = (line: StoryLine, timeMs: number) =>
    display.line(`${stamp(timeMs)}${paint(line, output.style)}`);
  return {
    ...display,
    tell,
    warning: (text) => display.line(paint({ text, tone: 'warning' }, output.style)),
  };
}

function paint({ text, tone }: StoryLine, style: Style): string {
  switch (tone) {
    case 'plain':
      return text;
    case 'warning':
      return `${style.yellow('warning:')} ${text}`;
    case 'failure':
      return style.red(text);
  }
}

type LineDisplay = Pick<ProgressDisplay, 'update' | 'line' | 'end'>;

function redrawnLine(output: Output): LineDisplay {
  const line = new RedrawnLine(output);
  return {
    update(progress) {
      line.draw(() => formatBarLine(progress, line.columns(), output.style));
      if (isLastStep(progress)) line.end();
    },
    line: (text) => line.above(text),
    end: () => line.end(),
  };
}

/** Time between two lines of a log, unless a stage begins or ends. */
const plainIntervalMs = 2_000;

function plainLines(output: Output, stamp: Stamp): LineDisplay {
  let printedAtMs = -Infinity;
  return {
    update(progress, timeMs) {
      const due = timeMs - printedAtMs >= plainIntervalMs;
      if (progress.last === null || !(due || progress.last.step === 1 || isLastStep(progress))) return;
      output.line(`${stamp(timeMs)}${formatPlainLine(progress)}`);
      printedAtMs = timeMs;
    },
    line: (text) => output.line(text),
    end: () => undefined,
  };
}

function isLastStep({ last, totalSteps }: StageProgress): boolean {
  return last !== null && last.step >= totalSteps;
}
