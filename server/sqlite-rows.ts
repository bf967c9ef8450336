/** What a row of the log says of itself, and how a snapshot is kept. */
import { constants, crc32, zstdCompress, zstdDecompress } from 'node:zlib'
import { promisify } from 'node:util'
import { DamagedSession } from './store.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Snapshots below this many bytes stay as they are: compression has nothing to find in them. */
const MIN_COMPRESSED_BYTES = 256

/** Checksum of a row. It starts at `seq`, so that a row in the place of another one is found as well. */
export function sumOf(data: Uint8Array, seq: number): number {
  return crc32(data, seq >>> 0) | 0
}

/** A row of `snapshots` as it was before it was stored; throws `DamagedSession`. */
export async function openSnapshot(
  session: string,
  row: object | undefined,
): Promise<{ snapshot: Uint8Array | null; snapshotSeq: number }> {
  if (row === undefined) return { snapshot: null, snapshotSeq: 0 }
  const { seq, sum, size, data } = row as { seq: number; sum: number; size: number; data: Uint8Array }
  if (sumOf(data, seq) !== sum) throw new DamagedSession(session, 'the snapshot does not match its checksum')
  if (data.byteLength === size) return { snapshot: data, snapshotSeq: seq }
  try {
    const { buffer, byteOffset, byteLength } = await decompress(data, { maxOutputLength: size })
    if (byteLength === size) return { snapshot: new Uint8Array(buffer, byteOffset, byteLength), snapshotSeq: seq }
  } catch {
    // Told below, like a result of another length.
  }
  throw new DamagedSession(session, `the snapshot does not expand to its ${size} bytes`)
}

/** What is stored for a snapshot: itself, or, in the thread pool, something smaller. */
export async function packSnapshot(snapshot: Uint8Array): Promise<Uint8Array> {
  if (snapshot.byteLength < MIN_COMPRESSED_BYTES) return snapshot
  const packed = await compress(snapshot, { params: { [constants.ZSTD_c_compressionLevel]: 3 } })
  return packed.byteLength < snapshot.byteLength ? packed : snapshot
}
