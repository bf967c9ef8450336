/**
 * Sees in one session what people are to be told of. What it notes is decided at the end of the transaction that brought it, so
 * that a notice is in the same commit. It costs a token nothing.
 */
import * as Y from 'yjs'
import { readWaits } from '../shared/calls.ts'
import { readHolder } from '../shared/control.ts'
import { readMessageHead, readStamp, readText, readWholePart } from '../shared/entries.ts'
import { arrayAt, KEY, recordAt, rootsOf, type Entry, type SessionRoots } from '../shared/layout.ts'
import type { Participant } from '../shared/participant.ts'
import { isRunStatus } from '../shared/run.ts'
import { decideOnMessage, decideOnRun, type Decision } from './push-rules.ts'

export interface PushWatchOptions {
  readonly document: Y.Doc
  /** Who sent what a transaction of this origin applied; null for the server itself. */
  readonly participantOf: (origin: unknown) => Participant | null
  /** Whether anybody would be told. */
  readonly isWanted: () => boolean
  /** Longest text that is told, in UTF-16 code units; 0: none. */
  readonly textChars: number
  readonly onDecision: (decision: Decision, text: string | undefined) => void
}

/** Runs above one another are followed so far up. */
const MAX_DEPTH = 16

export class PushWatch {
  readonly #options: PushWatchOptions
  readonly #roots: SessionRoots
  readonly #runs = new Set<Entry>()
  readonly #messages: { readonly map: Entry; readonly from: Participant }[] = []

  constructor(options: PushWatchOptions) {
    this.#options = options
    this.#roots = rootsOf(options.document)
    this.#roots.messages.observe(this.#onMessages)
    this.#roots.tasks.observeDeep(this.#onTasks)
    options.document.on('afterTransaction', this.#decide)
  }

  destroy(): void {
    this.#roots.messages.unobserve(this.#onMessages)
    this.#roots.tasks.unobserveDeep(this.#onTasks)
    this.#options.document.off('afterTransaction', this.#decide)
  }

  readonly #onMessages = (event: Y.YArrayEvent<Entry>, transaction: Y.Transaction): void => {
    const from = this.#options.participantOf(transaction.origin)
    if (from === null || from.kind === 'agent' || !this.#options.isWanted()) return
    for (const item of event.changes.added) {
      for (const map of item.content.getContent()) if (map instanceof Y.Map) this.#messages.push({ map: map as Entry, from })
    }
  }

  readonly #onTasks = (events: Y.YEvent<Y.AbstractType<unknown>>[]): void => {
    for (const { target, keys } of events) {
      if (target.parent !== (this.#roots.tasks as unknown) || !(target instanceof Y.Map)) continue
      if (!keys.has(KEY.status) && !keys.has(KEY.waiting)) continue
      if (this.#options.isWanted()) this.#runs.add(target as unknown as Entry)
    }
  }

  readonly #decide = (): void => {
    if (this.#messages.length + this.#runs.size === 0) return
    const { onDecision } = this.#options
    for (const { map, from } of this.#messages.splice(0)) {
      const head = readMessageHead(map)
      if (head === undefined || head.run !== undefined) continue
      const text = textOf(map)
      const decision = decideOnMessage(from, head.id, text.trim() !== '', readHolder(this.#roots.ledger.get(KEY.holder)))
      if (decision !== null) onDecision(decision, this.#shorten(text))
    }
    const runs = [...this.#runs]
    this.#runs.clear()
    for (const run of runs) this.#decideRun(run)
  }

  #decideRun(run: Entry): void {
    const head = recordAt(run, KEY.head)
    const status = run.get(KEY.status)
    if (typeof head?.['id'] !== 'string' || typeof head['input'] !== 'string' || !isRunStatus(status)) return
    const first = this.#firstOf(head)
    const reply = this.#find((entry) => readMessageHead(entry)?.run === head['id'])
    const asksApproval = status === 'suspended' && reply !== undefined && asksYes(reply)
    const decision = decideOnRun({
      id: String(first['id']),
      isChild: first !== head,
      status,
      asksApproval,
      asker: this.#authorOf(String(first['input'])),
      message: (reply === undefined ? undefined : readMessageHead(reply)?.id) ?? head['input'],
    })
    if (decision !== null) this.#options.onDecision(decision, reply === undefined ? undefined : this.#shorten(textOf(reply)))
  }

  /** The head of the run that asked for this one, of that one's, and so on. */
  #firstOf(head: Record<string, unknown>): Record<string, unknown> {
    let first = head
    for (let depth = 0; typeof first['parent'] === 'string' && depth < MAX_DEPTH; depth++) {
      const parent: unknown = first['parent']
      const above = this.#roots.tasks.toArray().find((run) => run instanceof Y.Map && recordAt(run, KEY.head)?.['id'] === parent)
      const aboveHead = above === undefined ? undefined : recordAt(above, KEY.head)
      if (aboveHead === undefined) break
      first = aboveHead
    }
    return first
  }

  #authorOf(input: string): string | undefined {
    const message = this.#find((entry) => readMessageHead(entry)?.id === input && readStamp(entry) !== undefined)
    return message === undefined ? undefined : readStamp(message)?.by
  }

  /** From the newest: what is looked for is mostly among the last. */
  #find(matches: (entry: Entry) => boolean): Entry | undefined {
    return this.#roots.messages.toArray().findLast((entry) => entry instanceof Y.Map && matches(entry))
  }

  #shorten(text: string): string | undefined {
    const { textChars } = this.#options
    const line = text.replaceAll(/\s+/g, ' ').trim()
    if (textChars === 0 || line === '') return undefined
    return line.length <= textChars
      ? line
      : `${line
          .slice(0, textChars - 1)
          .trimEnd()
          .toWellFormed()}…`
  }
}

/** Whether a part of a reply waits for a yes. */
function asksYes(reply: Entry): boolean {
  return (arrayAt(reply, KEY.parts)?.toArray() ?? []).some(
    (part) => part instanceof Y.Map && readWaits(part.get(KEY.waits))?.for === 'approval' && !part.has(KEY.answer),
  )
}

/** The text of a message, written whole or bit by bit, without what is no text. */
function textOf(message: Entry): string {
  let text = ''
  for (const part of arrayAt(message, KEY.parts)?.toArray() ?? []) {
    const whole = part instanceof Y.Map ? undefined : readWholePart(part)
    if (whole?.type === 'text') text += ` ${String(whole['text'])}`
    else if (part instanceof Y.Map && recordAt(part as Entry, KEY.head)?.['type'] === 'text')
      text += ` ${readText(part as Entry)}`
  }
  return text
}
