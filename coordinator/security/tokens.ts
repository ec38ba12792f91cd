import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError, messageOf } from '../../lib/errors.js';
import type { Identity } from './identity.js';

const schema = z.array(
  z.strictObject({
    name: z.string().regex(/^[\w.@-]{1,64}$/, 'must be 1 to 64 letters, digits, and of . _ @ -'),
    // A worker's token would have to lie in its pod: workers have certificates.
    role: z.enum(['submit', 'read']),
    sha256: z.string().regex(/^[0-9a-f]{64}$/i, 'must be the SHA-256 of the token, 64 hex digits'),
  }),
);

interface Entry {
  readonly identity: Identity;
  readonly sha256: Buffer;
}

/** Tokens of people, known by their hashes. */
export class Tokens {
  private constructor(private readonly entries: readonly Entry[]) {}

  /** @throws ConfigError where the file cannot be read, or is no list of tokens */
  static read(file: string): Tokens {
    try {
      return Tokens.parse(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new ConfigError(`--tokens ${file}: ${messageOf(error)}`);
    }
  }

  /** @param text JSON: `[{"name": "ada", "role": "submit", "sha256": "…"}]`. @throws Error that says what is wrong */
  static parse(text: string): Tokens {
    const found = schema.safeParse(jsonOf(text));
    if (!found.success) {
      const [issue] = found.error.issues;
      throw new Error(`${issue!.path.join('.') || 'the list'}: ${issue!.message}`);
    }
    const names = found.data.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new Error(`two tokens are called ${twice}`);
    return new Tokens(
      found.data.map(({ name, role, sha256 }) => ({
        identity: { name: `token ${name}`, role },
        sha256: Buffer.from(sha256, 'hex'),
      })),
    );
  }

  /** Whose token it is; null for nobody's. In a time that does not tell how much of it is right. */
  find(token: string): Identity | null {
    const given = createHash('sha256').update(token).digest();
    let found: Identity | null = null;
    for (const { identity, sha256 } of this.entries) if (timingSafeEqual(given, sha256)) found = identity;
    return found;
  }
}

/** Without the parser's own words, which repeat what the file says: it may hold a secret by mistake. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
}

/** The token of an `authorization` header; null where it carries none. */
export function bearerToken(header: string | undefined): string | null {
  return /^bearer ([!-~]{1,512})$/i.exec(header ?? '')?.[1] ?? null;
}
