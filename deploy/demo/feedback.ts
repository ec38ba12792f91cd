import {
  closings,
  curtReplies,
  greetings,
  names,
  products,
  ramblings,
  topics,
  type Topic,
} from './phrases.js';
import type { Random } from './random.js';

export interface Email {
  readonly topic: Topic;
  readonly product: string;
  readonly name: string;
  readonly text: string;
}

export type ReplyKind = 'helpful' | 'curt' | 'rambling';

/** Percent of replies of each kind that the shop's staff wrote. */
const kinds: readonly (readonly [ReplyKind, number])[] = [
  ['helpful', 40],
  ['curt', 30],
  ['rambling', 30],
];

/** Percent of the thumbs that point the wrong way, as people's do. */
const labelNoisePercent = 5;

interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** A row in TRL's unpaired conversational format; `label` is missing where the row is for supervised fine-tuning. */
export interface Row {
  readonly prompt: readonly Message[];
  readonly completion: readonly Message[];
  readonly label?: boolean;
}

/** Every email that a customer may write, in a seeded order: pieces of the list share no email. */
export function allEmails(random: Random): Email[] {
  const emails = topics.flatMap((topic) =>
    products.flatMap((product) =>
      names.flatMap((name) =>
        topic.problems.map((problem) => {
          const opening = `${random.pick(greetings)} ${fill(problem, product)} ${random.pick(topic.requests)}`;
          return { topic, product, name, text: `${opening} ${name}` };
        }),
      ),
    ),
  );
  return random.shuffled(emails);
}

/** A judged reply to each email. */
export function feedbackRows(emails: readonly Email[], random: Random): Row[] {
  return emails.map((email) => {
    const kind = pickKind(random);
    const noisy = random.chance(labelNoisePercent);
    return { ...exchange(email, reply(email, kind, random)), label: (kind === 'helpful') !== noisy };
  });
}

/** A reply of any kind to each email, for the model to learn how the shop's staff writes. */
export function fineTuningRows(emails: readonly Email[], random: Random): Row[] {
  return emails.map((email) => exchange(email, reply(email, pickKind(random), random)));
}

export function reply(email: Email, kind: ReplyKind, random: Random): string {
  switch (kind) {
    case 'helpful': {
      const regret = fill(random.pick(email.topic.regrets), email.product);
      const action = fill(random.pick(email.topic.actions), email.product);
      return `Hello ${email.name}, ${regret} ${action} ${random.pick(closings)}`;
    }
    case 'curt':
      return random.pick(curtReplies);
    case 'rambling':
      return random.shuffled(ramblings).slice(0, 4).join(' ');
  }
}

function pickKind(random: Random): ReplyKind {
  let point = random.below(100);
  for (const [kind, percent] of kinds) {
    if (point < percent) return kind;
    point -= percent;
  }
  throw new Error('the shares of the kinds of reply do not add up to 100');
}

function exchange(email: Email, completion: string): Row {
  return {
    prompt: [{ role: 'user', content: email.text }],
    completion: [{ role: 'assistant', content: completion }],
  };
}

function fill(phrase: string, product: string): string {
  return phrase.replaceAll('{product}', product);
}
