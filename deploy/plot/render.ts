import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { ImageFormat } from './image-format.js';

/** The bundled font (free: the licence of Bitstream Vera), so that an image's text does not depend on the machine. */
const fontFile = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');

/** For what shows an SVG without it: Verdana's letters are as wide. */
export const fontFamily = 'DejaVu Sans, Verdana, sans-serif';

/** Pixels of a PNG for each of the SVG. */
const pngScale = 2;

export async function render(spec: TopLevelSpec, format: ImageFormat): Promise<string | Uint8Array> {
  const svg = await renderSvg(spec);
  return format === 'svg' ? `${svg}\n` : rasterize(svg);
}

async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

function rasterize(svg: string): Uint8Array {
  const font = { loadSystemFonts: false, fontFiles: [fontFile], defaultFontFamily: 'DejaVu Sans' };
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: pngScale } }).render().asPng();
}
