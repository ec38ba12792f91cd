import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { setUpTensorFlow } from '../../tensorflow/setup.js';
import { ConfigError } from '../../../lib/errors.js';
import { baseOfAdapter } from '../../../worker/model/adapter/adapter.js';
import { withInference } from '../inference/session.js';
import type { Terminal } from '../output/terminal.js';

interface Options {
  readonly merge: string;
  readonly model?: string;
  readonly out: string;
}

export function exportCommand({ out, err }: Terminal): Command {
  return new Command('export')
    .description('write a LoRA adapter and the model that it belongs to as one plain model directory')
    .requiredOption('--merge <dir>', "adapter in PEFT's format, such as the model/ of a run with lora")
    .option('--model <dir>', 'the model that it belongs to (default: the one that the adapter names)')
    .requiredOption('--out <dir>', 'Hugging Face directory to write; it must not be there yet')
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const adapterDir = resolve(options.merge);
      const targetDir = resolve(options.out);
      if (existsSync(targetDir)) {
        throw new ConfigError(`${targetDir} is there already; give another --out, or remove it`);
      }
      const modelDir = options.model === undefined ? baseOfAdapter(adapterDir) : resolve(options.model);
      if (modelDir === null) {
        throw new ConfigError(`${adapterDir} holds no adapter_config.json; give the directory of an adapter`);
      }
      await setUpTensorFlow({ check: false, log: err.line });
      await withInference((inference) => inference('merge', { modelDir, adapterDir, targetDir }));
      out.line(`merged model: ${targetDir}`);
    });
}

const help = `
Examples:
  prospect export --merge runs/lora/model --out runs/lora-merged`;
