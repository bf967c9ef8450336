/**
 * What one replica holds and another does not: how the unsent writes of a refused replica are found again. The other one has
 * just been filled by the server, so what its state vector does not cover the server does not have.
 */
import * as Y from 'yjs'
import { readLivePart, readMessageHead, readText, readWholePart } from '../shared/entries.ts'
import { arrayAt, asRecord, cancelTarget, KEY, objectRoot, readAskKey, rootsOf } from '../shared/layout.ts'
import type { Json, MessageHead, OtherPart } from '../shared/message.ts'

export interface MissingMessage {
  readonly head: MessageHead
  readonly parts: readonly OtherPart[]
}

/** Fields of shared objects by object and field; `undefined`: deleted. */
export type MissingFields = Readonly<Record<string, Readonly<Record<string, Json | undefined>>>>

export interface Missing {
  /** In the order they were written. */
  readonly messages: readonly MissingMessage[]
  readonly fields: MissingFields
  /** Cancel flags, and what else was asked of the server, by their key. */
  readonly cancels: Readonly<Record<string, Json>>
}

export interface MissingOptions {
  /** The replica that has it. */
  readonly from: Y.Doc
  /** The replica that may lack it. */
  readonly to: Y.Doc
  /** Participant whose writes count. */
  readonly by: string
  /** True for the client ids whose writes count. */
  readonly counts: (clientId: number) => boolean
}

/** Finds what a participant wrote and only one replica has. */
export function missing({ from, to, by, counts }: MissingOptions): Missing {
  const lacks = ({ id }: Y.Item): boolean => counts(id.client) && Y.getState(to.store, id.client) <= id.clock
  const known = new Set<string>()
  for (const entry of rootsOf(to).messages) known.add(headOf(entry)?.id ?? '')
  const messages: MissingMessage[] = []
  for (const entry of rootsOf(from).messages) {
    const head = headOf(entry)
    if (head === undefined || head.by !== by || known.has(head.id) || entry._item === null || !lacks(entry._item)) continue
    known.add(head.id)
    messages.push({ head, parts: partsOf(entry) })
  }
  messages.sort((a, b) => a.head.at - b.head.at)

  const fields: Record<string, Record<string, Json | undefined>> = {}
  for (const root of from.share.keys()) {
    if (!root.startsWith(objectRoot(''))) continue
    const changed = missingFields(from.getMap<Json>(root), to.getMap<Json>(root), lacks)
    if (Object.keys(changed).length > 0) fields[root.slice(objectRoot('').length)] = changed
  }

  const cancels: Record<string, Json> = {}
  const { control } = rootsOf(from)
  for (const [key, item] of control._map) {
    if (cancelTarget(key) === null && readAskKey(key) === null) continue
    if (item.deleted || !lacks(item) || asRecord(control.get(key))?.['by'] !== by) continue
    if (rootsOf(to).control.get(key) === undefined) cancels[key] = control.get(key) as Json
  }
  return { messages, fields, cancels }
}

function missingFields(from: Y.Map<Json>, to: Y.Map<Json>, lacks: (item: Y.Item) => boolean): Record<string, Json | undefined> {
  const changed: Record<string, Json | undefined> = {}
  for (const [field, item] of from._map) {
    const there = to._map.get(field)
    // Deleted here, and still what it was there.
    const isDeletedOnlyHere = item.deleted && there?.deleted === false && Y.compareIDs(there.id, item.id)
    if (!lacks(item) && !isDeletedOnlyHere) continue
    const value = item.deleted ? undefined : from.get(field)
    if (JSON.stringify(value) !== JSON.stringify(to.get(field))) changed[field] = value
  }
  return changed
}

function headOf(entry: unknown): MessageHead | undefined {
  return entry instanceof Y.Map ? readMessageHead(entry as Y.Map<unknown>) : undefined
}

function partsOf(message: Y.Map<unknown>): OtherPart[] {
  const parts: OtherPart[] = []
  for (const entry of arrayAt(message, KEY.parts)?.toArray() ?? []) {
    const part =
      entry instanceof Y.Map ? readLivePart(entry as Y.Map<unknown>, readText(entry as Y.Map<unknown>)) : readWholePart(entry)
    if (part !== undefined) parts.push(part as OtherPart)
  }
  return parts
}
