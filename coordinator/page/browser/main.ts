import type { ListedRun } from '../view/events.js';
import { byId, element, setText } from './dom.js';
import type { RunView } from '../view/run-view.js';
import { LiveRun, type Connection } from './live-run.js';
import { RunList } from './run-list.js';
import { RunPage } from './run-page.js';

/** How often the list of runs is asked for while the page is seen. */
const LIST_INTERVAL_MS = 2_000;

const content = byId('content');
const connection = byId('connection');
const list = new RunList(byId('runs'));
let runs: readonly ListedRun[] = [];
let shown: { readonly id: string; readonly page: RunPage; readonly close: () => void } | null = null;

function currentId(): string | null {
  const [, id] = /^\/runs\/([^/]+)$/.exec(location.pathname) ?? [];
  return id === undefined ? null : decodeURIComponent(id);
}

/** Shows what the address names: a run, or on `/` the newest one beside the list. */
function route(): void {
  const named = currentId();
  document.body.className = named === null ? 'at-list' : 'at-run';
  const id = named ?? runs[0]?.id ?? null;
  list.draw(runs, id);
  if (id === null) showEmpty('No runs yet', 'Submit one, and it appears here.');
  else if (id !== shown?.id) showRun(id);
  const waiting = runs.find((run) => run.id === shown?.id);
  if (waiting !== undefined) shown?.page.showWaiting(waiting.waitsFor);
}

function showRun(id: string): void {
  shown?.close();
  const page = new RunPage();
  const draw = (view: RunView) => {
    if (!page.root.isConnected) content.replaceChildren(page.root);
    document.title = `${view.run.name} · ${view.run.state} · Prospect`;
    page.draw(view);
  };
  const live = new LiveRun(id, draw, showConnection);
  const close = () => {
    live.close();
    page.close();
  };
  shown = { id, page, close };
  live.start().catch((error: unknown) => {
    if (shown?.id === id)
      showEmpty(`${id} cannot be shown`, error instanceof Error ? error.message : String(error));
  });
}

function showEmpty(title: string, detail: string): void {
  shown?.close();
  shown = null;
  document.title = 'Prospect';
  content.replaceChildren(
    element('div', { class: 'empty' }, element('strong', {}, title), element('p', {}, detail)),
  );
}

function showConnection(state: Connection): void {
  connection.className = `connection ${state}`;
  setText(connection, state === 'live' ? 'Live' : 'Connection lost, trying again');
}

async function refreshList(): Promise<void> {
  if (document.hidden) return;
  try {
    const response = await fetch('/api/runs');
    if (!response.ok) throw new Error(`the coordinator answered ${response.status}`);
    ({ runs } = (await response.json()) as { readonly runs: readonly ListedRun[] });
    if (shown === null) showConnection('live');
    route();
  } catch {
    showConnection('lost');
  }
}

/** Links within the page change what is shown without loading it again. */
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (link === null || !isPlain || link.origin !== location.origin || link.hash !== '') return;
  event.preventDefault();
  history.pushState(null, '', link.href);
  route();
  content.focus();
  scrollTo(0, 0);
});
addEventListener('popstate', route);
document.addEventListener('visibilitychange', () => void refreshList());
setInterval(() => void refreshList(), LIST_INTERVAL_MS);

// The page of a run does not wait for the list.
if (currentId() !== null) route();
await refreshList();
