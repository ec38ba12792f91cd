import { Option } from 'commander';
import { ConfigError } from '../../../lib/errors.js';
import { imageFormatOf, type ImageFormat } from '../../plot/image-format.js';

export function pictureOption(): Option {
  return new Option('--out <file>', 'the picture, *.svg or *.png; the file is complete or absent');
}

/** @throws ConfigError where no file was named, or one of another kind. */
export function requirePicture(out: string | undefined): {
  readonly file: string;
  readonly format: ImageFormat;
} {
  if (out === undefined) throw new ConfigError('--out is missing: name the picture, *.svg or *.png');
  return { file: out, format: imageFormatOf(out) };
}
