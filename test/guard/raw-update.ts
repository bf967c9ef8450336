/** Updates written byte by byte: what no Yjs client would send. */
import * as encoding from 'lib0/encoding'

export type Id = readonly [client: number, clock: number]

/** Content of a struct: its kind and how it is written. */
export interface Content {
  readonly ref: number
  readonly write: (encoder: encoding.Encoder) => void
}

export interface RawStruct extends Content {
  /** Left and right neighbour. */
  readonly o?: Id
  readonly r?: Id
  /** Where it has no neighbour: a root's name, or the struct that holds its parent. */
  readonly root?: string
  readonly parent?: Id
  readonly key?: string
  /** Info byte in place of the right one. */
  readonly info?: number
}

export interface RawSection {
  readonly client: number
  readonly clock: number
  readonly structs: readonly RawStruct[]
}

export type RawDeletes = readonly (readonly [client: number, ranges: readonly (readonly [clock: number, length: number])[]])[]

export const gc = (length: number): Content => ({ ref: 0, write: (encoder) => encoding.writeVarUint(encoder, length) })
export const tombstone = (length: number): Content => ({ ref: 1, write: (encoder) => encoding.writeVarUint(encoder, length) })
export const text = (value: string): Content => ({ ref: 4, write: (encoder) => encoding.writeVarString(encoder, value) })
/** 0 array, 1 map, 2 text. */
export const type = (kind: number): Content => ({ ref: 7, write: (encoder) => encoding.writeVarUint(encoder, kind) })
export const skip = (length: number): Content => ({ ref: 10, write: (encoder) => encoding.writeVarUint(encoder, length) })
export const json = (...values: unknown[]): Content => ({
  ref: 8,
  write: (encoder) => {
    encoding.writeVarUint(encoder, values.length)
    for (const value of values) encoding.writeAny(encoder, value as never)
  },
})

export function rawUpdate(sections: readonly RawSection[], deletes: RawDeletes = []): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, sections.length)
  for (const { client, clock, structs } of sections) {
    for (const number of [structs.length, client, clock]) encoding.writeVarUint(encoder, number)
    for (const struct of structs) writeStruct(encoder, struct)
  }
  encoding.writeVarUint(encoder, deletes.length)
  for (const [client, ranges] of deletes) {
    encoding.writeVarUint(encoder, client)
    encoding.writeVarUint(encoder, ranges.length)
    for (const range of ranges) for (const number of range) encoding.writeVarUint(encoder, number)
  }
  return encoding.toUint8Array(encoder)
}

function writeStruct(encoder: encoding.Encoder, struct: RawStruct): void {
  const { ref, o, r, root, parent, key } = struct
  const info = ref | (o === undefined ? 0 : 128) | (r === undefined ? 0 : 64) | (key === undefined ? 0 : 32)
  encoding.writeUint8(encoder, struct.info ?? info)
  for (const id of [o, r]) if (id !== undefined) for (const number of id) encoding.writeVarUint(encoder, number)
  if (o === undefined && r === undefined && ref !== 0 && ref !== 10) {
    encoding.writeVarUint(encoder, root === undefined ? 0 : 1)
    if (root !== undefined) encoding.writeVarString(encoder, root)
    else for (const number of parent ?? [0, 0]) encoding.writeVarUint(encoder, number)
    if (key !== undefined) encoding.writeVarString(encoder, key)
  }
  struct.write(encoder)
}
