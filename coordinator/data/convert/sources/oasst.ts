import { BadRow } from '../../bad-row.js';
import { isColumns, type Columns } from '../../columns.js';
import type { ChatMessage } from '../../row.js';
import { toMessage } from '../messages.js';
import type { Source } from '../source.js';

/**
 * OpenAssistant's conversation trees (`*.trees.jsonl`): a message has replies, of which people ranked those of the
 * assistant; rank 0 is the best. A ranking a, b, c gives the pairs (a, b) and (b, c), as in HALOs.
 */
export const oasst: Source = {
  name: 'oasst',
  matches: ({ message_tree_id: id, prompt }) => id !== undefined && isColumns(prompt) && 'replies' in prompt,
  toRows: ({ prompt }) => {
    const pairs = [...rankings(prompt)].flatMap(toPairs);
    if (pairs.length === 0) throw new BadRow('no message of the tree has two ranked replies');
    return pairs;
  },
};

/** Real trees are a few messages deep, and every ranking of a tree repeats the messages above it. */
const MAX_DEPTH = 1000;

interface Node {
  readonly message: ChatMessage;
  readonly parent: Node | null;
  readonly depth: number;
}

interface Ranking {
  readonly prompt: Node;
  /** The best first; at least two. */
  readonly replies: readonly RankedReply[];
}

type RankedReply = Columns & { readonly rank: number };

function* rankings(root: unknown): Generator<Ranking, void, undefined> {
  const open: { readonly value: unknown; readonly parent: Node | null }[] = [{ value: root, parent: null }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, parent } = next;
    const { message, replies } = readNode(value);
    const depth = (parent?.depth ?? 0) + 1;
    if (depth > MAX_DEPTH) throw new BadRow(`the tree is more than ${MAX_DEPTH} messages deep`);
    const node = { message, parent, depth };
    const ranked = replies.filter(isRanked).sort((a, b) => a.rank - b.rank);
    if (ranked.length > 1) yield { prompt: node, replies: ranked };
    for (const reply of replies.toReversed()) open.push({ value: reply, parent: node });
  }
}

function readNode(value: unknown): { message: ChatMessage; replies: readonly unknown[] } {
  if (!isColumns(value)) throw new BadRow('a message of the tree is not an object');
  const { text, role, replies = [] } = value;
  if (!Array.isArray(replies)) throw new BadRow('the replies of a message are not a list');
  return { message: toMessage({ role, content: text }), replies };
}

function isRanked(reply: unknown): reply is RankedReply {
  return isColumns(reply) && typeof reply['rank'] === 'number' && reply['role'] === 'assistant';
}

function toPairs({ prompt, replies }: Ranking): Columns[] {
  const messages = conversationTo(prompt);
  return replies.slice(1).flatMap((worse, i) => {
    const better = replies[i]!;
    if (better.rank === worse.rank) return [];
    return [{ prompt: messages, chosen: [readNode(better).message], rejected: [readNode(worse).message] }];
  });
}

function conversationTo(node: Node): ChatMessage[] {
  const messages: ChatMessage[] = [];
  for (let at: Node | null = node; at !== null; at = at.parent) messages.push(at.message);
  return messages.reverse();
}
