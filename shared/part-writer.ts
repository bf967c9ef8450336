/**
 * Writes one message into the document: parts, streamed text in segments, values. Writes are buffered as they come and go
 * into the document at `flush`, in order and in one transaction: coalescing at the insert is what keeps a streamed text near
 * its own size (merging updates afterwards keeps one struct per token).
 */
import * as Y from 'yjs'
import { arrayAt, KEY, type Entry } from './layout.ts'
import { MAX_SEGMENT_CHARS } from './limits.ts'
import type { MessageHead, OtherPart } from './message.ts'
import { newMessage } from './new-message.ts'

/** A part's values that may change after its head was written. */
export type PartKey = 'state' | 'input' | 'output' | 'errorText' | 'more' | 'waits'

/** A part that is still being written; made by `MessageWriter.open`. */
export class LivePart {
  readonly head: Readonly<Record<string, unknown>>
  /** The part's map once it has been flushed. */
  map: Y.Map<unknown> | null = null
  constructor(head: Readonly<Record<string, unknown>>) {
    this.head = head
  }
}

type Write =
  | { kind: 'whole'; part: OtherPart }
  | { kind: 'open'; part: LivePart }
  | { kind: 'text'; part: LivePart; text: string }
  | { kind: 'set'; part: LivePart; key: PartKey; value: unknown }
  | { kind: 'clear'; part: LivePart }
  | { kind: 'drop'; from: number }

/** Appends to a segmented text; makes the array and its segments as needed. Call it inside a transaction. */
function appendSegments(map: Y.Map<unknown>, text: string): void {
  let segments = arrayAt(map, KEY.text) as Y.Array<Y.Text> | undefined
  if (segments === undefined) {
    segments = new Y.Array<Y.Text>()
    map.set(KEY.text, segments)
  }
  let at = 0
  while (at < text.length) {
    let last = segments.length > 0 ? segments.get(segments.length - 1) : undefined
    if (last === undefined || last.length >= MAX_SEGMENT_CHARS) {
      last = new Y.Text()
      segments.push([last])
    }
    let end = Math.min(text.length, at + MAX_SEGMENT_CHARS - last.length)
    // A surrogate pair stays in one segment: halves in two texts would each be stored as U+FFFD.
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end += 1
    last.insert(last.length, text.slice(at, end))
    at = end
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

export class MessageWriter {
  readonly #messages: Y.Array<Entry>
  readonly #head: MessageHead
  #parts: Y.Array<unknown> | null = null
  #writes: Write[] = []
  #count = 0
  /** Parts that stand from an earlier attempt: what is written in their place is taken for them. */
  #kept = 0
  /** A high surrogate at the end of a delta waits here for its other half. */
  readonly #halves = new Map<LivePart, string>()

  /** Nothing is in the document before the first `flush`. */
  constructor(messages: Y.Array<Entry>, head: MessageHead) {
    this.#messages = messages
    this.#head = head
  }

  /** Goes on with a message that is there. It is written from its beginning again, and the parts that it has stand. */
  static resume(messages: Y.Array<Entry>, map: Entry, head: MessageHead): MessageWriter {
    const writer = new MessageWriter(messages, head)
    writer.#parts = arrayAt(map, KEY.parts) ?? null
    writer.#kept = writer.#parts?.length ?? 0
    return writer
  }

  get id(): string {
    return this.#head.id
  }

  /** How many parts have been written, flushed or not. */
  get partCount(): number {
    return this.#count
  }

  /** Goes on after `index` parts that stand; what was written after the last of those goes. */
  seek(index: number): void {
    // They were written anew.
    if (index > this.#kept) return
    if (this.#count > this.#kept) this.drop(this.#kept)
    this.#count = index
  }

  /** Goes on after `index` parts at least. */
  pass(index: number): void {
    this.#count = Math.max(this.#count, index)
  }

  /** What stands after here goes, and is written anew: what is asked next must really be there. */
  anew(): void {
    if (this.#count >= this.#kept) return
    this.#kept = this.#count
    this.drop(this.#kept)
  }

  get hasWrites(): boolean {
    return this.#writes.length > 0
  }

  /** Adds a part that will not change any more. */
  add(part: OtherPart): void {
    if (this.#next()) this.#writes.push({ kind: 'whole', part })
  }

  /** Adds a part that is written bit by bit. */
  open(head: Readonly<Record<string, unknown>>): LivePart {
    const part = new LivePart(head)
    if (this.#next()) this.#writes.push({ kind: 'open', part })
    return part
  }

  append(part: LivePart, delta: string): void {
    let text = (this.#halves.get(part) ?? '') + delta
    this.#halves.delete(part)
    if (text === '') return
    if (isHighSurrogate(text.charCodeAt(text.length - 1))) {
      this.#halves.set(part, text.slice(-1))
      text = text.slice(0, -1)
      if (text === '') return
    }
    // A half that stays alone: encoded it is U+FFFD, and the writer must not see anything else than its readers.
    text = text.toWellFormed()
    const last = this.#writes.at(-1)
    if (last?.kind === 'text' && last.part === part) last.text += text
    else this.#writes.push({ kind: 'text', part, text })
  }

  /** Takes the text back: what is appended from now on is another one. */
  clear(part: LivePart): void {
    this.#halves.delete(part)
    this.#writes.push({ kind: 'clear', part })
  }

  set(part: LivePart, key: PartKey, value: unknown): void {
    // Of values that follow each other within one flush only the last is ever seen: the others need not be stored.
    const last = this.#writes.at(-1)
    if (last?.kind === 'set' && last.part === part && last.key === key) last.value = value
    else this.#writes.push({ kind: 'set', part, key, value })
  }

  /** Removes the parts from index `from` on: a step that is done again replaces what its dead attempt wrote. */
  drop(from: number): void {
    this.#count = Math.min(this.#count, from)
    this.#writes.push({ kind: 'drop', from: Math.max(from, this.#kept) })
  }

  /** Counts one part more. False for one that is there already: it is not written. */
  #next(): boolean {
    this.#count += 1
    return this.#count > this.#kept
  }

  /** Writes what is buffered. MUST be called inside a transaction, so that it travels as one update. */
  flush(): void {
    if (this.#writes.length === 0) return
    const parts = (this.#parts ??= newMessage(this.#messages, this.#head))
    for (const write of this.#writes) {
      switch (write.kind) {
        case 'whole':
          parts.push([write.part])
          break
        case 'open': {
          const map = new Y.Map<unknown>()
          map.set(KEY.head, write.part.head)
          parts.push([map])
          write.part.map = map
          break
        }
        case 'text':
          if (write.part.map !== null) appendSegments(write.part.map, write.text)
          break
        case 'set':
          write.part.map?.set(write.key, write.value)
          // A tool's input that has arrived whole stands for its streamed text: kept as well, it would be stored twice.
          if (write.key === 'input') write.part.map?.delete(KEY.text)
          break
        case 'clear':
          write.part.map?.delete(KEY.text)
          break
        case 'drop':
          if (parts.length > write.from) parts.delete(write.from, parts.length - write.from)
          break
      }
    }
    this.#writes = []
  }
}
