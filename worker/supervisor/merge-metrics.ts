/** Prometheus text of one process. */
export interface ProcessMetrics {
  /** Whose; null for the pod's own. */
  readonly worker: string | null;
  readonly text: string;
}

interface Family {
  readonly header: string[];
  readonly samples: string[];
}

const HEADER = /^# (?:HELP|TYPE) (\S+)/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(\}?))?/;

/** The metrics of all processes as one text, in which each worker's have a label `worker` with its id. */
export function mergeMetrics(processes: readonly ProcessMetrics[]): string {
  const families = new Map<string, Family>();
  for (const process_ of processes) addTo(families, process_);
  return [...families.values()]
    .map(({ header, samples }) => `${[...header, ...samples].join('\n')}\n`)
    .join('\n');
}

/** Samples come after their family's header, as the format asks for. */
function addTo(families: Map<string, Family>, { worker, text }: ProcessMetrics): void {
  const known = new Set(families.keys());
  let samples: string[] = [];
  for (const line of text.split('\n')) {
    const name = HEADER.exec(line)?.[1];
    if (name === undefined) {
      if (SAMPLE.test(line)) samples.push(worker === null ? line : labelled(line, worker));
      continue;
    }
    const family = families.get(name) ?? { header: [], samples: [] };
    families.set(name, family);
    if (!known.has(name)) family.header.push(line);
    ({ samples } = family);
  }
}

function labelled(sample: string, worker: string): string {
  return sample.replace(SAMPLE, (_, name: string, closing: string | undefined) => {
    const label = `worker="${worker}"`;
    const hasOthers = closing === '';
    return hasOthers ? `${name}{${label},` : `${name}{${label}}`;
  });
}
