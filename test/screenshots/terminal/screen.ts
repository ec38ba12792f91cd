/** How a character looks; `color` is that of an SGR code, null for the terminal's own. */
export interface Look {
  readonly bold: boolean;
  readonly dim: boolean;
  readonly color: 'red' | 'green' | 'yellow' | null;
}

export interface Cell {
  readonly character: string;
  readonly look: Look;
}

const ESCAPE = '\u001b';

const plain: Look = { bold: false, dim: false, color: null };

/** By code of "select graphic rendition": what changes. */
const renditions: Readonly<Record<string, Partial<Look>>> = {
  '': plain,
  '0': plain,
  '1': { bold: true },
  '2': { dim: true },
  '22': { bold: false, dim: false },
  '31': { color: 'red' },
  '32': { color: 'green' },
  '33': { color: 'yellow' },
  '39': { color: null },
};

/** What a terminal shows of what a command has written: as much of its language as our commands speak. */
export class Screen {
  readonly #lines: Cell[][] = [[]];
  readonly #columns: number;
  #column = 0;
  #look = plain;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** From the top, without the empty one at the end that the cursor waits on. */
  get lines(): readonly (readonly Cell[])[] {
    return this.#lines.at(-1)!.length === 0 ? this.#lines.slice(0, -1) : this.#lines;
  }

  /**
   * Takes what was written from where the cursor is on; a control sequence must not be cut. Throws at one that it does not
   * know: the picture would be wrong.
   */
  write(text: string): void {
    const [before, ...sequences] = text.split(ESCAPE);
    this.#type(before!);
    for (const sequence of sequences) {
      const [control, parameters, final] = /^\[([\d;?]*)(.)/.exec(sequence) ?? [];
      if (control === undefined) throw unknown(sequence);
      this.#control(parameters!, final!);
      this.#type(sequence.slice(control.length));
    }
  }

  #type(text: string): void {
    for (const character of text) {
      if (character === '\r') this.#column = 0;
      else if (character === '\n') this.#newLine();
      else if (/\p{Cc}/u.test(character)) throw unknown(character);
      else this.#put(character);
    }
  }

  #control(parameters: string, final: string): void {
    if (final === 'K' && parameters === '2') this.#line.length = 0;
    else if (final === 'm') {
      for (const code of parameters.split(';')) {
        const change = renditions[code];
        if (change === undefined) throw unknown(`[${parameters}m`);
        this.#look = { ...this.#look, ...change };
      }
    } else throw unknown(`[${parameters}${final}`);
  }

  #put(character: string): void {
    if (this.#column === this.#columns) this.#newLine();
    while (this.#line.length < this.#column) this.#line.push({ character: ' ', look: plain });
    this.#line[this.#column] = { character, look: this.#look };
    this.#column += 1;
  }

  get #line(): Cell[] {
    return this.#lines.at(-1)!;
  }

  #newLine(): void {
    this.#lines.push([]);
    this.#column = 0;
  }
}

function unknown(sequence: string): Error {
  return new Error(`the picture of a terminal does not know ${JSON.stringify(sequence)}`);
}
