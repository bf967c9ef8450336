/** Values that are too large for the document and lie beside it. */
import { asRecord } from './layout.ts'

/** What stands in the document in the place of a large value. Immutable: the id is a hash of the bytes. */
export interface Reference {
  readonly type: 'reference'
  /** SHA-256 of the bytes, as base64url. */
  readonly id: string
  readonly bytes: number
  readonly mediaType: string
  /** How it begins, in at most PREVIEW_CHARS UTF-16 code units. */
  readonly preview: string
}

/** What an id of stored bytes must match. */
export const BLOB_ID: RegExp = /^[A-Za-z0-9_-]{43}$/
/** What a media type must match. */
export const MEDIA_TYPE: RegExp = /^[a-z]+\/[a-z0-9.+-]{1,100}$/
/** Media type of tools' outputs. */
export const JSON_TYPE = 'application/json'

const PREVIEW_CHARS = 1_000

/** The value as a reference, else undefined. That its bytes are there is not said. */
export function readReference(value: unknown): Reference | undefined {
  const { type, id, bytes, mediaType, preview } = asRecord(value) ?? {}
  if (type !== 'reference' || typeof id !== 'string' || !BLOB_ID.test(id)) return undefined
  if (typeof bytes !== 'number' || typeof mediaType !== 'string' || typeof preview !== 'string') return undefined
  return { type, id, bytes, mediaType, preview }
}

export function makeReference(id: string, bytes: number, json: string): Reference {
  return { type: 'reference', id, bytes, mediaType: JSON_TYPE, preview: json.slice(0, PREVIEW_CHARS).toWellFormed() }
}

/** Bytes of a text as UTF-8. */
export function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).byteLength
}

/** Path of stored bytes on the server, below its address. */
export function blobPath(session: string, id: string): string {
  return `/blobs/${session}/${id}`
}

/** A hash as it stands in an id: base64url without padding. */
export function hashId(hash: Uint8Array): string {
  let binary = ''
  for (const byte of hash) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
