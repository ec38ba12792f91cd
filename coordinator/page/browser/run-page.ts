import type { RunView } from '../view/run-view.js';
import { hasEnded } from '../view/events.js';
import { Charts } from './charts.js';
import { element } from './dom.js';
import { EventLog } from './event-log.js';
import { RunHeader } from './run-header.js';
import { SamplesCard } from './samples-card.js';
import { StageTabs } from './stage-tabs.js';
import { workersCard } from './workers.js';

/** All of one run. */
export class RunPage {
  readonly root = element('article', { class: 'run' });
  readonly #header = new RunHeader();
  readonly #callouts = element('div', { class: 'run', 'aria-live': 'polite' });
  readonly #tabs = new StageTabs(() => this.#drawStage());
  readonly #charts = new Charts();
  readonly #waiting = element('div', { class: 'card empty' });
  readonly #samples = new SamplesCard();
  readonly #workers = element('div');
  readonly #log = new EventLog();
  #shownCallouts = '';
  #view: RunView | null = null;
  #waitsFor = '';

  constructor() {
    this.#charts.root.id = 'charts';
    this.root.append(
      this.#header.root,
      this.#callouts,
      this.#tabs.root,
      this.#charts.root,
      this.#waiting,
      this.#samples.root,
      element('div', { class: 'lower' }, this.#workers, this.#log.root),
    );
  }

  draw(view: RunView): void {
    this.#view = view;
    this.#header.draw(view, this.#waitsFor);
    this.#drawCallouts(view);
    this.#tabs.draw(view.stages);
    this.#drawStage();
    this.#workers.replaceChildren(workersCard(view));
    this.#log.draw(view.log);
  }

  /** Says what a queued run waits for: no event of it tells. */
  showWaiting(waitsFor: string): void {
    if (waitsFor === this.#waitsFor) return;
    this.#waitsFor = waitsFor;
    if (this.#view !== null) this.draw(this.#view);
  }

  close(): void {
    this.#charts.close();
  }

  #drawStage(): void {
    const { stage } = this.#tabs;
    const empty = stage === null || stage.curve.steps.length + stage.evaluations.steps.length === 0;
    this.#waiting.hidden = !empty;
    this.#charts.root.hidden = empty;
    this.#samples.draw(stage);
    if (!empty) this.#charts.draw(stage);
    else if (this.#view !== null) {
      const [title, detail] = whyEmpty(this.#view, this.#waitsFor);
      this.#waiting.replaceChildren(element('strong', {}, title), element('p', {}, detail));
    }
  }

  /** Only where they change: they are read out. */
  #drawCallouts(view: RunView): void {
    const { run, conditions } = view;
    const key = JSON.stringify([run.state, run.reason, conditions]);
    if (key === this.#shownCallouts) return;
    this.#shownCallouts = key;
    const failed = run.state === 'failed';
    const ended =
      run.reason === '' || !hasEnded(run.state)
        ? []
        : [
            element(
              'div',
              { class: failed ? 'callout' : 'callout warning' },
              element('strong', {}, failed ? 'This run failed' : 'This run was cancelled'),
              element('p', {}, run.reason),
            ),
          ];
    const attention =
      conditions.length === 0
        ? []
        : [
            element(
              'div',
              { class: 'callout warning' },
              element('strong', {}, 'Needs attention'),
              element('ul', {}, ...conditions.map(({ text }) => element('li', {}, text))),
            ),
          ];
    this.#callouts.hidden = ended.length + attention.length === 0;
    this.#callouts.replaceChildren(...ended, ...attention);
  }
}

function whyEmpty({ run, stages }: RunView, waitsFor: string): [title: string, detail: string] {
  if (run.state === 'queued') {
    const detail = waitsFor === '' ? 'It starts when its turn comes.' : `It waits for ${waitsFor}.`;
    return ['Waiting in the queue', detail];
  }
  if (hasEnded(run.state)) return ['No step was finished', 'There is nothing to draw.'];
  if (stages.length === 0) return ['Getting ready', 'Reading the data, starting the workers.'];
  return ['Waiting for the first step', 'Curves appear with it.'];
}
