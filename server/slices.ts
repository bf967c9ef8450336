/**
 * Cuts a Yjs update (format 1) into several that come to the same one after the other, so that a large state can be applied in
 * pieces with time for others in between.
 *
 * 1. Each piece builds only on those before it: structs come after all that they refer to, deletes come last.
 * 2. Bytes of structs are copied as they are; nothing is decoded but what says where they end and what they refer to.
 * 3. What is not understood, or refers to something that is not there, comes as one piece with all that is left: Yjs decides.
 */
import * as encoding from 'lib0/encoding'

/** A piece has at most so many structs, or ranges of deletes, and little more than so many bytes. */
const PIECE_STRUCTS = 400
const PIECE_BYTES = 64 * 1024
/** So many structs are looked at between two pauses. */
const LOOKS = 4_000

const CONTENT = { gc: 0, deleted: 1, string: 4, type: 7, any: 8, skip: 10 } as const
const HAS_ORIGIN = 128
const HAS_RIGHT = 64
const HAS_KEY = 32
const REF_BITS = 31
/** Of a struct: client and clock of its neighbours, or of its parent. */
const REFERENCES = 4

class Unknown extends Error {
  constructor() {
    super('not understood')
  }
}

class Reader {
  readonly bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new Unknown()
    return this.bytes[this.at++] as number
  }

  uint(): number {
    let byte = this.byte()
    let value = byte & 127
    for (let factor = 128; byte >= 128; factor *= 128) {
      byte = this.byte()
      value += (byte & 127) * factor
    }
    return value
  }

  skip(length: number): void {
    this.at += length
    if (this.at > this.bytes.length) throw new Unknown()
  }

  /** Reads over a text and gives its length in UTF-16 code units: of a character of four bytes, two. */
  text(): number {
    const end = this.uint() + this.at
    if (end > this.bytes.length) throw new Unknown()
    let units = 0
    for (let at = this.at; at < end; at++) {
      const byte = this.bytes[at] as number
      if (byte < 0x80 || byte >= 0xc0) units += byte >= 0xf0 ? 2 : 1
    }
    this.at = end
    return units
  }

  /** Reads over a value. */
  value(): void {
    for (let left = 1; left > 0; left--) {
      const kind = this.byte()
      if (kind === 119) this.skip(this.uint())
      else if (kind === 125) while (this.byte() >= 128);
      else if (kind === 124) this.skip(4)
      else if (kind === 123) this.skip(8)
      else if (kind === 117) left += this.uint()
      else if (kind === 118) this.#object()
      else if (kind < 120 || kind === 122) throw new Unknown()
    }
  }

  #object(): void {
    for (let left = this.uint(); left > 0; left--) {
      this.skip(this.uint())
      this.value()
    }
  }
}

/** The structs of one client: where each begins in the bytes, where it begins in clocks, and what it refers to. */
interface Section {
  readonly client: number
  readonly starts: number[]
  readonly clocks: number[]
  /** `REFERENCES` for each, -1 for none. References to the own client are left out: those come first in any case. */
  readonly references: number[]
  /** The first that is in no piece yet. */
  next: number
}

/** Pieces of an update; null where nothing is ready but time has passed. */
export function* slices(update: Uint8Array): Generator<Uint8Array | null, void, undefined> {
  const sections = new Map<number, Section>()
  let deletesAt = 0
  try {
    deletesAt = yield* index(update, sections)
  } catch (error) {
    if (!(error instanceof Unknown)) throw error
    yield update
    return
  }
  const order = inOrder(sections)
  let ended = false
  while (!ended) {
    const begun = new Map<Section, number>()
    let structs = 0
    let bytes = 0
    while (structs < PIECE_STRUCTS && bytes < PIECE_BYTES) {
      const { value: section, done } = order.next()
      if (done === true) {
        ended = true
        break
      }
      if (section === null) {
        // Something is missing: what is left, in one piece.
        yield update
        return
      }
      if (!begun.has(section)) begun.set(section, section.next)
      bytes += (section.starts[section.next + 1] as number) - (section.starts[section.next] as number)
      section.next += 1
      structs += 1
    }
    if (structs > 0) yield piece(update, begun)
  }
  yield* deletes(update, deletesAt)
}

/** Reads where the structs are, and gives where the deletes begin. */
function* index(update: Uint8Array, sections: Map<number, Section>): Generator<null, number, undefined> {
  const reader = new Reader(update)
  let looks = 0
  for (let left = reader.uint(); left > 0; left--) {
    const count = reader.uint()
    const client = reader.uint()
    let clock = reader.uint()
    const section: Section = { client, starts: [], clocks: [], references: [], next: 0 }
    if (sections.has(client)) throw new Unknown()
    sections.set(client, section)
    for (let n = 0; n < count; n++) {
      section.starts.push(reader.at)
      section.clocks.push(clock)
      clock += readStruct(reader, section)
      if (++looks % LOOKS === 0) yield null
    }
    section.starts.push(reader.at)
    section.clocks.push(clock)
  }
  return reader.at
}

/** Reads over a struct, notes what it refers to, and gives its length. */
function readStruct(reader: Reader, { client, references }: Section): number {
  const info = reader.byte()
  const content = info & REF_BITS
  const end = references.length + REFERENCES
  const refer = (): void => {
    const other = reader.uint()
    const clock = reader.uint()
    if (other !== client) references.push(other, clock)
  }
  if (content !== CONTENT.gc) {
    if ((info & HAS_ORIGIN) > 0) refer()
    if ((info & HAS_RIGHT) > 0) refer()
    if ((info & (HAS_ORIGIN | HAS_RIGHT)) === 0) {
      if (reader.uint() === 1) reader.skip(reader.uint())
      else refer()
      if ((info & HAS_KEY) > 0) reader.skip(reader.uint())
    }
  }
  while (references.length < end) references.push(-1)
  return readContent(reader, content)
}

function readContent(reader: Reader, content: number): number {
  switch (content) {
    case CONTENT.gc:
    case CONTENT.deleted:
      return reader.uint()
    case CONTENT.string:
      return reader.text()
    case CONTENT.type:
      if (reader.uint() > 2) throw new Unknown()
      return 1
    case CONTENT.any: {
      const length = reader.uint()
      for (let n = 0; n < length; n++) reader.value()
      return length
    }
    default:
      // Skip too: there is a gap, and what is behind it cannot be applied.
      throw new Unknown()
  }
}

/** The sections in the order in which their next structs must be taken; null when what one refers to is not there. */
function* inOrder(sections: ReadonlyMap<number, Section>): Generator<Section | null, void, undefined> {
  for (const first of sections.values()) {
    const stack = [first]
    const onStack = new Set(stack)
    for (let section = stack.at(-1); section !== undefined; section = stack.at(-1)) {
      const isDone = section.next === section.clocks.length - 1
      // It is on the stack until what lies below has what it lacked, and the first one to its end.
      if (isDone || (stack.length > 1 && lackOf(stack.at(-2) as Section, sections) !== section)) {
        onStack.delete(section)
        stack.pop()
        continue
      }
      const wanted = lackOf(section, sections)
      if (wanted === null || (wanted !== undefined && onStack.has(wanted))) return yield null
      if (wanted === undefined) {
        yield section
        continue
      }
      stack.push(wanted)
      onStack.add(wanted)
    }
  }
}

/** The section that must come on first; undefined when none must, null when nothing that the update has would do. */
function lackOf(section: Section, sections: ReadonlyMap<number, Section>): Section | null | undefined {
  if (section.next >= section.clocks.length - 1) return undefined
  const from = section.next * REFERENCES
  for (let at = from; at < from + REFERENCES; at += 2) {
    const client = section.references[at] as number
    if (client === -1) return undefined
    const other = sections.get(client)
    const clock = section.references[at + 1] as number
    if (other === undefined || clock >= (other.clocks.at(-1) as number)) return null
    if (clock >= (other.clocks[other.next] as number)) return other
  }
  return undefined
}

function piece(update: Uint8Array, begun: ReadonlyMap<Section, number>): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, begun.size)
    for (const [section, from] of begun) {
      encoding.writeVarUint(encoder, section.next - from)
      encoding.writeVarUint(encoder, section.client)
      encoding.writeVarUint(encoder, section.clocks[from] as number)
      encoding.writeUint8Array(encoder, update.subarray(section.starts[from], section.starts[section.next]))
    }
    encoding.writeVarUint(encoder, 0)
  })
}

function* deletes(update: Uint8Array, from: number): Generator<Uint8Array, void, undefined> {
  const reader = new Reader(update)
  reader.at = from
  for (let left = reader.uint(); left > 0; left--) {
    const client = reader.uint()
    for (let ranges = reader.uint(); ranges > 0;) {
      const count = Math.min(ranges, PIECE_STRUCTS)
      ranges -= count
      const start = reader.at
      for (let n = 0; n < count * 2; n++) reader.uint()
      const bytes = update.subarray(start, reader.at)
      yield encoding.encode((encoder) => {
        for (const n of [0, 1, client, count]) encoding.writeVarUint(encoder, n)
        encoding.writeUint8Array(encoder, bytes)
      })
    }
  }
}
