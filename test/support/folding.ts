/** Folds events as a run does, and reads what a peer sees. */
import { expect } from 'vitest'
import * as Y from 'yjs'
import { rootsOf } from '../../shared/layout.ts'
import type { MessagePart } from '../../shared/message.ts'
import { MessageWriter } from '../../shared/part-writer.ts'
import { StreamFold } from '../../shared/streams/fold.ts'
import type { StreamEnd } from '../../shared/ui-stream.ts'
import { ViewBuilder } from '../../shared/view.ts'
import { headOf } from './document.ts'

export interface FoldOptions {
  /** Flush after each so many events; 0: once, at the end. */
  readonly flushEvery?: number
  /** Close with this text. */
  readonly close?: string
}

export interface Folded {
  readonly parts: readonly MessagePart[]
  readonly end: Readonly<StreamEnd>
  /** Steps of the run: title, then how they ended. */
  readonly steps: readonly string[]
}

/** What a peer reads that got every update of the writer. */
export function foldEvents(events: readonly unknown[], { flushEvery = 1, close }: FoldOptions = {}): Folded {
  const doc = new Y.Doc()
  const peer = new Y.Doc()
  doc.on('update', (update: Uint8Array) => Y.applyUpdate(peer, update))
  const writer = new MessageWriter(rootsOf(doc).messages, headOf('m'))
  const steps: string[] = []
  const fold = new StreamFold(writer, (title) => {
    const at = steps.push(`${title}: running`) - 1
    const end = (how: string, detail?: string): void => void (steps[at] = `${title}: ${how}${detail ? ` (${detail})` : ''}`)
    return { done: (detail) => end('done', detail), fail: (detail) => end('failed', detail) }
  })
  events.forEach((event, index) => {
    fold.apply(event)
    if (flushEvery > 0 && (index + 1) % flushEvery === 0) doc.transact(() => writer.flush())
  })
  if (close !== undefined) fold.close(close)
  doc.transact(() => writer.flush())
  const message = new ViewBuilder(peer, (error) => expect.unreachable(String(error))).message('m')
  return { parts: message?.parts ?? [], end: fold.end, steps }
}
