import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Asset {
  readonly content: Buffer;
  readonly contentType: string;
  /** Changes with the content. */
  readonly etag: string;
}

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Compiled code lies in dist/coordinator/page; what is not compiled, in the package's coordinator/page. */
const code = fileURLToPath(new URL('.', import.meta.url));
const sources = fileURLToPath(new URL('../../../coordinator/page/assets/', import.meta.url));

/** What the page is made of, by its path under the server. Nothing comes from anywhere else. */
export function readAssets(): ReadonlyMap<string, Asset> {
  const uPlot = join(dirname(createRequire(import.meta.url).resolve('uplot')), 'uPlot');
  return new Map([
    ...folder('/assets', sources),
    ...folder('/code/browser', join(code, 'browser')),
    ...folder('/code/view', join(code, 'view')),
    ['/vendor/uplot.js', read(`${uPlot}.esm.js`)],
    ['/vendor/uplot.css', read(`${uPlot}.min.css`)],
  ]);
}

function folder(path: string, directory: string): [string, Asset][] {
  return readdirSync(directory)
    .filter((name) => extname(name) in contentTypes)
    .map((name) => [`${path}/${name}`, read(join(directory, name))]);
}

function read(file: string): Asset {
  const content = readFileSync(file);
  return {
    content,
    contentType: contentTypes[extname(file)]!,
    etag: `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`,
  };
}
