import { ConfigError, messageOf } from '../../../lib/errors.js';
import { quote } from '../../../lib/text.js';
import type { Blueprint } from '../families/family.js';
import { linear, type LinearSpec } from '../linear.js';

/**
 * The layers that get an adapter, as PEFT understands it: all linear ones but the head, those whose names end in one of a
 * list of names, or those whose whole names match a regular expression.
 */
export type TargetModules = 'all-linear' | readonly string[] | { readonly pattern: string };

/** @throws ConfigError if a name or the pattern fits no linear layer of the model. */
export function targetedLayers(blueprint: Blueprint, targets: TargetModules): LinearSpec[] {
  const layers = linearLayersOf(blueprint);
  if (targets === 'all-linear') return layers;
  if ('pattern' in targets) {
    const pattern = wholeName(targets.pattern);
    const matched = layers.filter(({ name }) => pattern.test(name));
    if (matched.length === 0) throw fitsNone(targets.pattern, layers);
    return matched;
  }
  const isTarget = (name: string, target: string) => name === target || name.endsWith(`.${target}`);
  const idle = targets.find((target) => !layers.some(({ name }) => isTarget(name, target)));
  if (idle !== undefined) throw fitsNone(idle, layers);
  return layers.filter(({ name }) => targets.some((target) => isTarget(name, target)));
}

/** The last parts of the layers' names, each once: for models of equal blocks they name the layers. */
export function shortNames(layers: readonly LinearSpec[]): string[] {
  return [...new Set(layers.map(({ name }) => name.slice(name.lastIndexOf('.') + 1)))].sort();
}

function linearLayersOf(blueprint: Blueprint): LinearSpec[] {
  const layers: LinearSpec[] = [];
  blueprint.build((spec) => {
    layers.push(spec);
    return linear(spec);
  });
  return layers;
}

function wholeName(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u');
  } catch (error) {
    throw new ConfigError(`target_modules ${quote(pattern)} is no regular expression (${messageOf(error)})`);
  }
}

function fitsNone(target: string, layers: readonly LinearSpec[]): ConfigError {
  return new ConfigError(
    `target_modules: ${quote(target)} fits no linear layer of the model; it has ${shortNames(layers).join(', ')}`,
  );
}
