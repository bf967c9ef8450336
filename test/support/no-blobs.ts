/** For runs without a server: nothing in these tests is too large for the document. */
import { Blobs } from '../../client/blobs.ts'

export const NO_BLOBS: Blobs = new Blobs({
  url: 'ws://127.0.0.1:1/sync',
  session: 's',
  token: () => Promise.reject(new Error('There is no server.')),
})
