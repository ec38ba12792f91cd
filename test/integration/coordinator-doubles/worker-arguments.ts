import { parseArgs } from 'node:util';

const text = { type: 'string' } as const;

/** What a launcher tells a worker's program, of which a scripted one takes these. */
export function readWorkerArguments() {
  const { values } = parseArgs({
    options: {
      coordinator: text,
      'run-id': text,
      'worker-id': text,
      'listen-host': text,
      threads: text,
      'collective-security': text,
    },
  });
  return {
    coordinator: values.coordinator!,
    runId: values['run-id']!,
    workerId: values['worker-id']!,
    threads: values.threads!,
  };
}
