/**
 * Decodes a Yjs update (format 1) strictly, without Yjs. Yjs has two readers which disagree on some bytes; what passes here
 * reads the same in both.
 *
 * 1. Nothing is read beyond the end, nothing is left over, and no count makes an allocation larger than the input.
 * 2. Numbers are in their shortest form; client ids are 32 bits; clocks and lengths stay below MAX_CLOCK.
 * 3. A client has one section; delete ranges are sorted and disjoint.
 * 4. Only GC, Skip, Deleted, String, Type (array, map, text) and Any pass; other content is refused.
 * 5. Values nest at most MAX_VALUE_DEPTH deep and have no key `__proto__`, which Yjs would take for a prototype.
 */
import { MAX_SEGMENT_CHARS, MAX_VALUE_DEPTH } from '../../shared/limits.ts'
import { MAX_CLIENT, MAX_CLOCK, MAX_DELETE_RANGES, MAX_KEY_BYTES, MAX_STRING_BYTES, MAX_STRUCTS } from './limits.ts'
import { refuse } from './refusal.ts'
import { Struct } from './struct.ts'

/** Content kinds, as Yjs numbers them. */
export const CONTENT = { gc: 0, deleted: 1, string: 4, type: 7, any: 8, skip: 10 } as const

const HAS_ORIGIN = 128
const HAS_RIGHT = 64
const HAS_KEY = 32
const REF_BITS = 31
/** Type references: 0 array, 1 map, 2 text; the others are XML. */
const LAST_TYPE = 2

/** The structs of one client. */
export interface Section {
  readonly client: number
  readonly structs: Struct[]
}

export interface Range {
  readonly client: number
  readonly clock: number
  readonly length: number
}

export interface Decoded {
  readonly sections: readonly Section[]
  /** Grouped by client; sorted and disjoint within one. */
  readonly deletes: readonly Range[]
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  byte(): number {
    if (this.#at >= this.#bytes.length) refuse('malformed', 'end of input')
    return this.#bytes[this.#at++] as number
  }

  uint(): number {
    let byte = this.byte()
    if (byte < 128) return byte
    let value = byte & 127
    for (let factor = 128; ; factor *= 128) {
      byte = this.byte()
      value += (byte & 127) * factor
      if (value > Number.MAX_SAFE_INTEGER) refuse('malformed', 'number')
      if (byte >= 128) continue
      if (byte === 0) refuse('malformed', 'number')
      return value
    }
  }

  /** A count of things that take a byte each at least. */
  count(): number {
    const count = this.uint()
    if (count > this.left) refuse('malformed', 'count')
    return count
  }

  skip(length: number): number {
    const start = this.#at
    if (length > this.left) refuse('malformed', 'end of input')
    this.#at = start + length
    return start
  }

  string(maxBytes: number): string {
    const length = this.uint()
    if (length > maxBytes) refuse('too-big', 'string')
    const start = this.skip(length)
    return this.#decode(start, start + length)
  }

  /** Reads over a text and gives its length in UTF-16 code units. */
  textLength(): number {
    const length = this.uint()
    const start = this.skip(length)
    const bytes = this.#bytes
    const end = start + length
    let at = start
    while (at < end && (bytes[at] as number) < 128) at++
    return at === end ? length : this.#decode(start, end).length
  }

  value(depth: number): unknown {
    if (depth > MAX_VALUE_DEPTH) refuse('too-big', 'depth')
    const kind = this.byte()
    switch (kind) {
      case 127:
        return undefined
      case 126:
        return null
      case 125:
        return this.#int()
      case 124:
        return this.#data(4).getFloat32(0)
      case 123:
        return this.#data(8).getFloat64(0)
      case 121:
        return false
      case 120:
        return true
      case 119:
        return this.string(MAX_STRING_BYTES)
      case 118:
        return this.#object(depth)
      case 117: {
        const values: unknown[] = []
        for (let left = this.count(); left > 0; left--) values.push(this.value(depth + 1))
        return values
      }
      default:
        // 122 (BigInt) makes JSON.stringify throw at every reader; 116 (bytes) is no JSON.
        return refuse(kind === 122 || kind === 116 ? 'forbidden-content' : 'malformed', 'value')
    }
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    for (let left = this.count(); left > 0; left--) {
      const key = this.string(MAX_STRING_BYTES)
      if (key === '__proto__') refuse('forbidden-content', 'value')
      object[key] = this.value(depth + 1)
    }
    return object
  }

  #int(): number {
    let byte = this.byte()
    const sign = (byte & 64) > 0 ? -1 : 1
    let value = byte & 63
    for (let factor = 64; byte >= 128; factor *= 128) {
      byte = this.byte()
      value += (byte & 127) * factor
      if (value > Number.MAX_SAFE_INTEGER) refuse('malformed', 'number')
    }
    return sign * value
  }

  #data(length: number): DataView {
    const start = this.skip(length)
    const { buffer, byteOffset } = this.#bytes
    return new DataView(buffer, byteOffset + start, length)
  }

  #decode(start: number, end: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(start, end))
    } catch {
      return refuse('malformed', 'text')
    }
  }
}

/** Decodes an update, or refuses it. */
export function decode(update: Uint8Array): Decoded {
  const reader = new Reader(update)
  const sections: Section[] = []
  const clients = new Set<number>()
  let structs = 0
  for (let left = reader.count(); left > 0; left--) {
    const section = readSection(reader, structs)
    structs += section.structs.length
    if (clients.has(section.client)) refuse('malformed', 'second section of a client')
    clients.add(section.client)
    sections.push(section)
  }
  const deletes = readDeletes(reader)
  if (reader.left > 0) refuse('malformed', 'bytes behind the end')
  return { sections, deletes }
}

function readSection(reader: Reader, before: number): Section {
  const count = reader.count()
  if (before + count > MAX_STRUCTS) refuse('too-big', 'structs')
  const client = reader.uint()
  if (client > MAX_CLIENT) refuse('malformed', 'client')
  let clock = reader.uint()
  const structs: Struct[] = []
  for (let left = count; left > 0; left--) {
    const struct = readStruct(reader, client, clock)
    structs.push(struct)
    clock += struct.length
    if (clock > MAX_CLOCK) refuse('too-big', 'clock')
  }
  return { client, structs }
}

function readStruct(reader: Reader, client: number, clock: number): Struct {
  const info = reader.byte()
  const content = info & REF_BITS
  const struct = new Struct(client, clock, content)
  if (content === CONTENT.gc || content === CONTENT.skip) {
    if (info !== content) refuse('malformed', 'info')
    struct.length = reader.uint()
  } else {
    readReferences(reader, info, struct)
    readContent(reader, struct)
  }
  if (struct.length === 0) refuse('malformed', 'length')
  return struct
}

function readReferences(reader: Reader, info: number, struct: Struct): void {
  if ((info & HAS_ORIGIN) > 0) {
    struct.originClient = reader.uint()
    struct.originClock = reader.uint()
  }
  if ((info & HAS_RIGHT) > 0) {
    struct.rightClient = reader.uint()
    struct.rightClock = reader.uint()
  }
  // With a neighbour the parent is the neighbour's, and the bit of the key says nothing.
  if ((info & (HAS_ORIGIN | HAS_RIGHT)) > 0) return
  const kind = reader.uint()
  if (kind === 1) {
    struct.root = reader.string(MAX_KEY_BYTES)
  } else if (kind === 0) {
    struct.parentClient = reader.uint()
    struct.parentClock = reader.uint()
  } else {
    refuse('malformed', 'parent')
  }
  if ((info & HAS_KEY) === 0) return
  struct.key = reader.string(MAX_KEY_BYTES)
  if (struct.key === '' || struct.key === '__proto__') refuse('malformed', 'key')
}

function readContent(reader: Reader, struct: Struct): void {
  switch (struct.content) {
    case CONTENT.deleted:
      struct.length = reader.uint()
      return
    case CONTENT.string:
      struct.length = reader.textLength()
      if (struct.length > MAX_SEGMENT_CHARS + 1) refuse('too-big', 'text')
      return
    case CONTENT.type:
      struct.type = reader.uint()
      if (struct.type > LAST_TYPE) refuse('forbidden-content', 'type')
      struct.length = 1
      return
    case CONTENT.any: {
      const values: unknown[] = []
      for (let left = reader.count(); left > 0; left--) values.push(reader.value(0))
      struct.values = values
      struct.length = values.length
      return
    }
    default:
      refuse('forbidden-content', 'kind')
  }
}

function readDeletes(reader: Reader): Range[] {
  const ranges: Range[] = []
  const clients = new Set<number>()
  for (let left = reader.count(); left > 0; left--) {
    const client = reader.uint()
    if (client > MAX_CLIENT) refuse('malformed', 'client')
    if (clients.has(client)) refuse('malformed', 'second delete section of a client')
    clients.add(client)
    const count = reader.count()
    if (ranges.length + count > MAX_DELETE_RANGES) refuse('too-big', 'deletes')
    let end = -1
    for (let i = 0; i < count; i++) {
      const clock = reader.uint()
      const length = reader.uint()
      // Touching ranges are one in what Yjs writes, but harmless.
      if (length === 0 || clock < end) refuse('malformed', 'delete range')
      end = clock + length
      if (end > MAX_CLOCK) refuse('too-big', 'clock')
      ranges.push({ client, clock, length })
    }
  }
  return ranges
}
