import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigError, messageOf } from '../errors.js';

/** PEM files of a process that speaks mutual TLS. */
export interface TlsFiles {
  /** Certificates of the authorities that the other side's certificate must come from. */
  readonly ca: string;
  /** The process's own certificate, and those between it and the authority. */
  readonly cert: string;
  readonly key: string;
}

/** What the files hold. */
export interface TlsMaterial {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

const text = { type: 'string' } as const;

/** For `parseArgs`. */
export const tlsFlags = { 'tls-ca': text, 'tls-cert': text, 'tls-key': text } as const;

/** The files that the flags name; null where they name none. @throws ConfigError where some are missing */
export function readTlsFlags(values: {
  readonly [flag in keyof typeof tlsFlags]?: string | undefined;
}): TlsFiles | null {
  const { 'tls-ca': ca, 'tls-cert': cert, 'tls-key': key } = values;
  if (ca === undefined && cert === undefined && key === undefined) return null;
  if (ca === undefined || cert === undefined || key === undefined)
    throw new ConfigError('--tls-ca, --tls-cert and --tls-key go together: give all three, or none');
  return { ca, cert, key };
}

/** @throws ConfigError where a file cannot be read, or they do not fit one another */
export function readTls(files: TlsFiles): TlsMaterial {
  const material = {
    ca: readGiven(files.ca, '--tls-ca'),
    cert: readGiven(files.cert, '--tls-cert'),
    key: readGiven(files.key, '--tls-key'),
  };
  try {
    createSecureContext(material);
    return material;
  } catch (error) {
    const { ca, cert, key } = files;
    throw new ConfigError(
      `--tls-ca ${ca}, --tls-cert ${cert} and --tls-key ${key} cannot be used: ${messageOf(error)}`,
    );
  }
}

/** @param flag that names the file, for the message. @throws ConfigError */
export function readGiven(file: string, flag: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${flag} ${file} cannot be read: ${messageOf(error)}`);
  }
}
