import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { BackgroundProgram } from './background-program.js';

const answerSchema = z.object({ status: z.literal('success'), data: z.unknown() });

const samplesSchema = z.object({
  resultType: z.literal('vector'),
  result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })),
});

const rulesSchema = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          name: z.string(),
          health: z.string(),
          state: z.string(),
          lastError: z.string().optional(),
        }),
      ),
    }),
  ),
});

const metadataSchema = z.array(z.object({ metric: z.string(), type: z.string() }));

export type RuleState = z.infer<typeof rulesSchema>['groups'][number]['rules'][number];

/** A real Prometheus of this machine, with a database of its own. */
export class Prometheus {
  readonly #program: BackgroundProgram;
  readonly #directory: string;

  private constructor(program: BackgroundProgram, directory: string) {
    this.#program = program;
    this.#directory = directory;
  }

  /** @param rules a PrometheusRule's spec, which is what a rule file holds */
  static async start(
    scrapeConfigs: readonly object[],
    rules: unknown,
    interval: string,
  ): Promise<Prometheus> {
    const directory = mkdtempSync(join(tmpdir(), 'prospect-prometheus-'));
    const [config, ruleFile] = [join(directory, 'prometheus.yaml'), join(directory, 'rules.yaml')];
    // JSON is YAML.
    writeFileSync(ruleFile, JSON.stringify(rules));
    const global = { evaluation_interval: interval };
    writeFileSync(config, JSON.stringify({ global, rule_files: [ruleFile], scrape_configs: scrapeConfigs }));
    const flags = [`--config.file=${config}`, `--storage.tsdb.path=${join(directory, 'data')}`];
    try {
      const args = [...flags, '--web.listen-address=127.0.0.1:0'];
      const ready = /msg="Listening on" address=(\S+)[^]*Server is ready/;
      return new Prometheus(await BackgroundProgram.start('prometheus', args, ready), directory);
    } catch (error) {
      rmSync(directory, { recursive: true });
      throw error;
    }
  }

  /** Whether an expression has a value now that is a number. */
  async hasData(expr: string): Promise<boolean> {
    const { result } = samplesSchema.parse(await this.#ask('query', { query: expr }));
    return result.some(({ value: [, text] }) => text !== 'NaN');
  }

  async rules(): Promise<readonly RuleState[]> {
    return rulesSchema.parse(await this.#ask('rules', {})).groups.flatMap(({ rules }) => rules);
  }

  /** Types of the metrics by name, as the targets of a job tell them. */
  async typesOf(job: string): Promise<ReadonlyMap<string, string>> {
    const answer = await this.#ask('targets/metadata', { match_target: `{job="${job}"}` });
    return new Map(metadataSchema.parse(answer).map(({ metric, type }) => [metric, type] as const));
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    rmSync(this.#directory, { recursive: true });
  }

  async #ask(what: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const [, address = ''] = this.#program.found;
    const query = new URLSearchParams(parameters).toString();
    const response = await fetch(`http://${address}/api/v1/${what}?${query}`);
    const text = await response.text();
    assert.ok(response.ok, `${what} ${query}: ${text}`);
    return answerSchema.parse(JSON.parse(text)).data;
  }
}
