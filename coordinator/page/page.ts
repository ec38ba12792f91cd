import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isAllowed, isToken, loginCookie, TOKEN_PARAMETER, type PageAccess } from './access.js';
import { readAssets, type Asset } from './assets.js';
import { streamEvents } from './event-stream.js';
import { listedRun } from './messages.js';
import { RunFeeds } from './run-feeds.js';
import type { RunSource } from './run-source.js';

/**
 * The live page:
 *
 *     /  /runs/ID           the page
 *     /api/runs             {"runs": ListedRun[]}, newest first
 *     /api/runs/ID          RunView
 *     /api/runs/ID/events   server-sent events, RunEvent each, after Last-Event-ID or ?after=SEQUENCE; from the first
 */
export function livePage(source: RunSource, access: PageAccess): RequestListener {
  const assets = readAssets();
  const index = assets.get('/assets/index.html')!;
  const headers = securityHeaders(index);
  const feeds = new RunFeeds(source);

  return (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (access.kind === 'token' && logIn(url, response, access)) return;
    if (!isAllowed(request, access)) {
      sendText(response, access.kind === 'loopback' ? 403 : 401, refusal[access.kind]);
      return;
    }
    const [, id, events] = /^\/api\/runs\/([^/]+)(\/events)?$/.exec(url.pathname) ?? [];
    const asset = /^\/(runs\/[^/]+)?$/.test(url.pathname) ? index : assets.get(url.pathname);
    if (asset !== undefined) sendAsset(request, response, asset);
    else if (url.pathname === '/api/runs') {
      sendJson(response, 200, { runs: source.runs().map(listedRun).reverse() });
    } else if (id === undefined) sendText(response, 404, 'not found\n');
    else {
      answerRun(request, response, feeds, { id, events: events !== undefined, url }).catch(
        (error: unknown) => {
          if (response.headersSent) response.destroy();
          else sendJson(response, 500, { error: String(error) });
        },
      );
    }
  };
}

const refusal = {
  loopback: 'this page is for this machine: open it as http://localhost or http://127.0.0.1\n',
  token: `a token is needed: open this page once with ?${TOKEN_PARAMETER}=..., or send it as Authorization: Bearer\n`,
  closed:
    'the page is closed: it would be seen from other machines, and the coordinator was given no token for it\n',
} as const;

async function answerRun(
  request: IncomingMessage,
  response: ServerResponse,
  feeds: RunFeeds,
  { id, events, url }: { readonly id: string; readonly events: boolean; readonly url: URL },
): Promise<void> {
  const feed = feeds.find(decodeURIComponent(id));
  if (feed === undefined) sendJson(response, 404, { error: `no run ${id}` });
  else if (events) {
    const after = request.headers['last-event-id'] ?? url.searchParams.get('after') ?? '0';
    if (!/^\d{1,10}$/.test(String(after))) sendJson(response, 400, { error: 'after is no sequence number' });
    else await streamEvents(response, feed, Number(after));
  } else sendJson(response, 200, await feed.current());
}

/** Takes a token that comes with a link, and opens the same page without it. */
function logIn(url: URL, response: ServerResponse, access: Extract<PageAccess, { kind: 'token' }>): boolean {
  const token = url.searchParams.get(TOKEN_PARAMETER);
  if (token === null || !isToken(access, token)) return false;
  url.searchParams.delete(TOKEN_PARAMETER);
  // Two slashes at the start would name another host.
  const location = `${url.pathname}${url.search}`.replace(/^\/+/, '/');
  response.writeHead(303, { location, 'set-cookie': loginCookie(access) }).end();
  return true;
}

function sendAsset(request: IncomingMessage, response: ServerResponse, asset: Asset): void {
  const { content, contentType, etag } = asset;
  const caching = { etag, 'cache-control': 'no-cache' };
  if (request.headers['if-none-match'] === etag) response.writeHead(304, caching).end();
  else response.writeHead(200, { ...caching, 'content-type': contentType }).end(content);
}

function sendJson(response: ServerResponse, code: number, value: unknown): void {
  const json = JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'number' && !Number.isInteger(part) ? Number(part.toPrecision(7)) : part,
  );
  response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(json);
}

function sendText(response: ServerResponse, code: number, text: string): void {
  response
    .writeHead(code, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
    .end(text);
}

/** Nothing but this server's own files runs or is shown; the one inline script is the import map, known by its hash. */
function securityHeaders(index: Asset): Readonly<Record<string, string>> {
  const importMap = /<script type="importmap">([^]*?)<\/script>/.exec(index.content.toString())![1]!;
  const hash = createHash('sha256').update(importMap).digest('base64');
  return {
    'content-security-policy':
      `default-src 'none'; script-src 'self' 'sha256-${hash}'; style-src 'self'; img-src 'self'; ` +
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
  };
}
