import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, hasCode, messageOf } from '../../lib/errors.js';
import { explainNoModel } from '../../lib/model-directory.js';

const SpecialToken = z
  .union([z.string(), z.object({ content: z.string() }).transform((token) => token.content)])
  .nullish();

const TokenizerConfig = z.looseObject({
  bos_token: SpecialToken,
  eos_token: SpecialToken,
  pad_token: SpecialToken,
  unk_token: SpecialToken,
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
  clean_up_tokenization_spaces: z.boolean().nullish(),
});

/** A model may name several ends; the first is the one that ends a turn or a text. */
const EosTokenId = z
  .union([z.int(), z.array(z.int()).transform((ids) => ids[0])])
  .nullish()
  .transform((id) => id ?? null);

const ModelConfig = z.looseObject({ vocab_size: z.int().positive().nullish(), eos_token_id: EosTokenId });
const GenerationConfig = z.looseObject({ eos_token_id: EosTokenId });

/** What a Hugging Face model directory says of its tokenizer. */
export interface TokenizerFiles {
  /** `tokenizer.json`, unchecked but for being a JSON object: the tokenizer library checks the rest. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly config: z.infer<typeof TokenizerConfig>;
  /** Source of the default chat template; null where the model has none. */
  readonly chatTemplate: string | null;
  /** EOS as the model's own configs number it, for tokenizers that do not name one. */
  readonly modelEosId: number | null;
  /** Rows of the model's embedding; null where `config.json` does not say. */
  readonly vocabSize: number | null;
}

/** @throws ConfigError for a directory without `tokenizer.json`, or a file that does not read as it should. */
export function readTokenizerFiles(modelDir: string): TokenizerFiles {
  const tokenizer = readJson(modelDir, 'tokenizer.json', z.looseObject({}));
  if (tokenizer === null) {
    throw new ConfigError(
      explainNoModel(modelDir) ??
        `${modelDir} has no tokenizer.json: give a Hugging Face directory with a fast tokenizer`,
    );
  }
  const config = readJson(modelDir, 'tokenizer_config.json', TokenizerConfig) ?? {};
  const model = readJson(modelDir, 'config.json', ModelConfig);
  const generation = readJson(modelDir, 'generation_config.json', GenerationConfig);
  return {
    tokenizer,
    config,
    chatTemplate: readText(modelDir, 'chat_template.jinja') ?? defaultTemplate(config.chat_template),
    modelEosId: generation?.eos_token_id ?? model?.eos_token_id ?? null,
    vocabSize: model?.vocab_size ?? null,
  };
}

function defaultTemplate(template: z.infer<typeof TokenizerConfig>['chat_template']): string | null {
  if (typeof template === 'string') return template;
  return template?.find(({ name }) => name === 'default')?.template ?? null;
}

/** null where the directory has no such file. */
function readJson<Schema extends z.ZodType>(
  dir: string,
  name: string,
  schema: Schema,
): z.infer<Schema> | null {
  const text = readText(dir, name);
  if (text === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${join(dir, name)} is not JSON: ${messageOf(error)}`);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ConfigError(
    `${join(dir, name)}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'bad value'}`,
  );
}

function readText(dir: string, name: string): string | null {
  try {
    return readFileSync(join(dir, name), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw new ConfigError(`cannot read ${join(dir, name)}: ${messageOf(error)}`);
  }
}
