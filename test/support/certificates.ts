import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsFiles } from '../../lib/security/tls-files.js';

/** What a certificate is made with, besides its key. */
export interface CertificateOptions {
  /** As OpenSSL writes them: `DNS:worker.prospect.test.svc`. */
  readonly names: readonly string[];
  /** Negative for one that has expired. */
  readonly days?: number;
  readonly usage?: 'clientAuth' | 'serverAuth';
}

/** A certificate authority of a test's own, made by openssl in `dir`: no key is ever committed. */
export class Authority {
  readonly caFile: string;
  private readonly caKey: string;

  constructor(private readonly dir: string) {
    mkdirSync(dir, { recursive: true });
    this.caFile = join(dir, 'ca.crt');
    this.caKey = join(dir, 'ca.key');
    const subject = ['-subj', '/CN=prospect test authority'];
    openssl('req', '-x509', ...newKey(this.caKey), '-out', this.caFile, '-days', '2', ...subject);
  }

  /** Files of a certificate of this authority, or of a renewed one under the same name. */
  issue(name: string, { names, days = 2, usage }: CertificateOptions): TlsFiles {
    const files = {
      ca: this.caFile,
      cert: join(this.dir, `${name}.crt`),
      key: join(this.dir, `${name}.key`),
    };
    const request = join(this.dir, `${name}.csr`);
    const extensions = join(this.dir, `${name}.ext`);
    const usages = usage === undefined ? '' : `extendedKeyUsage=${usage}\n`;
    writeFileSync(extensions, `subjectAltName=${names.join(',')}\n${usages}`);
    openssl('req', '-new', ...newKey(files.key), '-out', request, '-subj', `/CN=${name}`);
    const by = ['-CA', this.caFile, '-CAkey', this.caKey, '-CAcreateserial'];
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      ...by,
      '-out',
      files.cert,
      '-days',
      `${days}`,
      '-extfile',
      extensions,
    );
    return files;
  }
}

const newKey = (file: string) => [
  ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  ...['-nodes', '-keyout', file],
];

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}
