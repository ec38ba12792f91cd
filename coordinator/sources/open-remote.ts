import { HubRemote, hubAccess } from './hub.js';
import { openS3, S3Remote } from './s3.js';
import type { OpenRemote } from './source-store.js';

/** Sources as the environment says that they are reached: HF_ENDPOINT and HF_TOKEN, AWS_… */
export function remotesOf(env: NodeJS.ProcessEnv): OpenRemote {
  let s3: ReturnType<typeof openS3> | undefined;
  return (source, kind) =>
    source.kind === 'hf'
      ? new HubRemote(source, kind, hubAccess(env))
      : new S3Remote(source, kind, () => (s3 ??= openS3(env)));
}
