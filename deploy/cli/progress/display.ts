import type { Output } from '../output/terminal.js';
import { formatBarLine, formatPlainLine } from './format.js';
import type { StageProgress } from './state.js';

/** Shows how a stage goes on, and whole lines (notices, warnings) without spoiling it. */
export interface ProgressDisplay {
  update(progress: StageProgress, timeMs: number): void;
  line(text: string): void;
  warning(text: string): void;
  /** How wide a line may be. */
  columns(): number;
  /** Leaves the last state on the screen and goes on below it. */
  end(): void;
}

export function createProgressDisplay(output: Output): ProgressDisplay {
  const display = output.interactive ? redrawnLine(output) : plainLines(output);
  return {
    ...display,
    warning: (text) => display.line(`${output.style.yellow('warning:')} ${text}`),
    columns: output.columns,
  };
}

type LineDisplay = Omit<ProgressDisplay, 'warning' | 'columns'>;

const clearLine = '\r\u001b[2K';

function redrawnLine(output: Output): LineDisplay {
  let drawn = '';
  const draw = (text: string) => {
    output.write(`${clearLine}${text}`);
    drawn = text;
  };
  const end = () => {
    if (drawn !== '') output.write('\n');
    drawn = '';
  };
  return {
    update(progress) {
      // One column stays free: a full line would wrap in some terminals.
      draw(formatBarLine(progress, output.columns() - 1, output.style));
      if (isLastStep(progress)) end();
    },
    line(text) {
      const below = drawn;
      output.line(below === '' ? text : `${clearLine}${text}`);
      if (below !== '') draw(below);
    },
    end,
  };
}

/** Time between two lines of a log, unless a stage begins or ends. */
const plainIntervalMs = 2_000;

function plainLines(output: Output): LineDisplay {
  let printedAtMs = -Infinity;
  return {
    update(progress, timeMs) {
      const due = timeMs - printedAtMs >= plainIntervalMs;
      if (progress.last === null || !(due || progress.last.step === 1 || isLastStep(progress))) return;
      output.line(formatPlainLine(progress));
      printedAtMs = timeMs;
    },
    line: (text) => output.line(text),
    end: () => undefined,
  };
}

function isLastStep({ last, totalSteps }: StageProgress): boolean {
  return last !== null && last.step >= totalSteps;
}
