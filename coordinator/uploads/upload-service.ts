import { ConfigError } from '../../lib/errors.js';
import type { Handlers } from '../../proto/calls.js';
import type { uploadService } from '../../proto/services.js';
import { requireBytes } from '../service/request.js';
import { requireChunk, requireUpload } from './upload.js';
import type { UploadStore } from './upload-store.js';

/** Most files that one request may ask for. */
const MAX_UPLOADS = 10_000;

/** How files come to the coordinator. */
export function uploadHandlers(store: UploadStore): Handlers<typeof uploadService> {
  return {
    findUploads: async ({ uploads }) => {
      if (uploads.length > MAX_UPLOADS)
        throw new ConfigError(`ask for at most ${MAX_UPLOADS} uploads at once, not ${uploads.length}`);
      const held: number[] = [];
      for (const upload of uploads.map(requireUpload)) held.push(await store.held(upload));
      return { held };
    },
    putChunk: async ({ upload, offset, data }) => ({
      held: await store.put(requireUpload(upload), requireBytes(offset, 'offset'), requireChunk(data)),
    }),
  };
}
