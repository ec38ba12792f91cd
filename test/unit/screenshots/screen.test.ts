import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createStyle } from '../../../deploy/cli/output/style.js';
import { createProgressDisplay } from '../../../deploy/cli/progress/display.js';
import { Screen } from '../../screenshots/terminal/screen.js';

const textOf = (screen: Screen) =>
  screen.lines.map((cells) => cells.map(({ character }) => character).join(''));

describe('what a terminal shows', () => {
  test('of a line that is drawn again and again, and of lines above it, is what a reader sees', () => {
    const screen = new Screen(80);
    const write = (text: string) => screen.write(text);
    const display = createProgressDisplay({
      style: createStyle(true),
      write,
      line: (text) => write(`${text}\r\n`),
      interactive: true,
      columns: () => 80,
      ready: () => Promise.resolve(true),
    });
    const progress = { stage: 1, stageCount: 1, method: 'kto', totalSteps: 9, last: null, recent: [] };
    display.update(progress, 0);
    display.line('a notice');
    display.warning('a warning');
    const [notice, warning, bar, ...rest] = textOf(screen);
    assert.deepEqual([notice, warning, rest], ['a notice', 'warning: a warning', []]);
    assert.match(bar!, /^kto .* 0\/9 {2}waiting for the first step$/);
    const looks = screen.lines.map(([first]) => first!.look);
    assert.deepEqual(
      looks.map(({ bold, color }) => [bold, color]),
      [
        [false, null],
        [false, 'yellow'],
        [true, null],
      ],
    );
  });

  test('wraps a long line, and overwrites from the beginning of one', () => {
    const screen = new Screen(4);
    screen.write('abcdef\r\n1234\r😀\n');
    assert.deepEqual(textOf(screen), ['abcd', 'ef', '😀234']);
  });

  test('what it does not know is an error and not a wrong picture', () => {
    for (const sequence of ['\u001b[5A', '\u001b[35m', '\u001b]0;title', '\u0007']) {
      assert.throws(() => new Screen(80).write(sequence), /does not know/, JSON.stringify(sequence));
    }
  });
});
