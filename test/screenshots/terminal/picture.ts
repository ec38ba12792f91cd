import type { Browser } from '../../support/chromium/browser.js';
import type { Cell } from './screen.js';

const style = `
  html { background: white; }
  body { display: inline-block; margin: 14px; }
  figure { margin: 0; overflow: hidden; border-radius: 10px; background: #171a21; box-shadow: 0 3px 14px #0005; }
  figcaption { padding: 9px; background: #262b35; color: #9aa2b1; font: 12px 'DejaVu Sans', sans-serif; text-align: center; }
  figcaption::before { float: left; letter-spacing: 3px; content: '● ● ●'; }
  pre { margin: 0; padding: 12px 16px 16px; color: #e7e9ee; font: 13px/1.45 'DejaVu Sans Mono', monospace; }
  .bold { font-weight: bold; }
  .dim { opacity: 0.55; }
  .red { color: #ff8a78; }
  .green { color: #43c596; }
  .yellow { color: #e7b04a; }
`;

/** A PNG of a terminal window with these lines. */
export async function terminalPicture(
  browser: Browser,
  title: string,
  lines: readonly (readonly Cell[])[],
  columns: number,
): Promise<Buffer> {
  const text = lines.map(lineHtml).join('\n');
  const body = `<figure><figcaption>${escape(title)}</figcaption><pre style="width: ${columns}ch">${text}</pre></figure>`;
  const html = `<!doctype html><meta charset="utf-8"><style>${style}</style><body>${body}</body>`;
  const url = `data:text/html;base64,${Buffer.from(html).toString('base64')}`;
  const page = await browser.open(url, { width: 320, height: 100, scale: 2 });
  try {
    await page.settle();
    return await page.screenshot();
  } finally {
    await page.close();
  }
}

function lineHtml(cells: readonly Cell[]): string {
  return cells
    .map(({ character, look: { bold, dim, color } }) => {
      const classes = [bold ? 'bold' : '', dim ? 'dim' : '', color ?? ''].filter((name) => name !== '');
      const shown = escape(character);
      return classes.length === 0 ? shown : `<span class="${classes.join(' ')}">${shown}</span>`;
    })
    .join('');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
