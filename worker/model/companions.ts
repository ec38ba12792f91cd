import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';

/** What belongs to a model beside its weights and config: the tokenizer, and how to generate. */
const COMPANIONS = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
];

/** Copies them as they are, where the source has them. */
export function copyCompanions(sourceDir: string, targetDir: string): void {
  for (const name of COMPANIONS) {
    if (existsSync(join(sourceDir, name))) copyFileSync(join(sourceDir, name), join(targetDir, name));
  }
}
