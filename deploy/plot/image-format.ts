import { extname } from 'node:path';
import { ConfigError } from '../../lib/errors.js';

const formats = ['svg', 'png'] as const;
export type ImageFormat = (typeof formats)[number];

/** What a file is to hold, by the end of its name. @throws ConfigError for another end. */
export function imageFormatOf(file: string): ImageFormat {
  const extension = extname(file).slice(1).toLowerCase();
  const format = formats.find((name) => name === extension);
  if (format === undefined) {
    const known = formats.map((name) => `.${name}`).join(' or ');
    throw new ConfigError(`cannot tell what image ${file} is to be: end its name in ${known}`);
  }
  return format;
}
