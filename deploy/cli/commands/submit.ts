import { Command, InvalidArgumentError, Option } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { withCoordinator } from '../remote/coordinator.js';
import { submit } from '../remote/submit.js';
import { MAX_NAME_LENGTH } from '../remote/submission.js';
import { collect } from './collect.js';
import { addCoordinatorOptions, coordinatorOf } from './coordinator-option.js';

interface Options {
  readonly set: readonly string[];
  readonly workers?: string;
  readonly name?: string;
  readonly dryRun?: boolean;
  readonly wait: boolean;
  readonly check: boolean;
  readonly skipBadRows?: boolean;
  readonly json?: boolean;
}

export function submitCommand(terminal: Terminal): Command {
  const command = new Command('submit')
    .description('have a coordinator train a run, and follow it')
    .argument('<run.yaml>', 'the run file, with paths of this machine');
  return addCoordinatorOptions(command)
    .option('--set <key=value>', 'set a key of the run file; may be given again', collect, [])
    .option('--workers <n>', 'worker processes; the result does not depend on it (same as --set workers=N)')
    .addOption(
      new Option('--name <name>', "what to call it (default: the run file's name)").argParser(parseName),
    )
    .option('--dry-run', 'check, and say what would be sent; send nothing')
    .option('--no-wait', 'print its id once it is queued, and leave')
    .option('--no-check', 'do not read the data before it is sent')
    .option('--skip-bad-rows', 'count rows that cannot be read, and go on without them')
    .option('--json', 'print the run as one JSON object, in the end or with --no-wait at once')
    .addHelpText('after', help)
    .action(async (runFile: string, options: Options, command: Command) => {
      const { set, workers, name, check } = options;
      const overrides = workers === undefined ? set : [...set, `workers=${workers}`];
      const skipBadRows = options.skipBadRows === true;
      const submitted = { runFile, overrides, name: name ?? null, skipBadRows, check };
      const mode = { dryRun: options.dryRun === true, wait: options.wait, json: options.json === true };
      await withCoordinator(coordinatorOf(command), (coordinator) =>
        submit(submitted, mode, coordinator, terminal),
      );
    });
}

/** As the coordinator takes it: better now than after an upload. */
function parseName(text: string): string {
  if (text !== '' && text.length <= MAX_NAME_LENGTH && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text)) return text;
  throw new InvalidArgumentError(`must be a line of 1 to ${MAX_NAME_LENGTH} characters`);
}

const help = `
Checks the run as prospect check does, and sends the files that it reads: data, and the files directly in the directories
of models and adapters. What the coordinator has already is not sent again, and a transfer that broke off goes on where it
was. Paths under a shared root of the coordinator are used in place. Then the run is queued and followed; Ctrl-C detaches,
and the run goes on. The exit code is the run's: 0, 1 or 2, or 130 where it was cancelled.

Examples:
  prospect submit kto.yaml
  prospect submit kto.yaml --coordinator trainer:7070 --name kto-beta-0.2 --set beta=0.2
  prospect submit kto.yaml --dry-run
  id=$(prospect submit kto.yaml --no-wait) && prospect logs $id -f`;
