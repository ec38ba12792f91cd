import type { Source, SourceName } from './source.js';
import { alpaca } from './sources/alpaca.js';
import { hh } from './sources/hh.js';
import { oasst } from './sources/oasst.js';
import { sharegpt } from './sources/sharegpt.js';
import { shp } from './sources/shp.js';
import { table } from './sources/table.js';
import { trl } from './sources/trl.js';

export const SOURCES: Readonly<Record<SourceName, Source>> = {
  trl,
  sharegpt,
  alpaca,
  hh,
  shp,
  oasst,
  table,
};
