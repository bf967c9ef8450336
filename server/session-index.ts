/**
 * The messages and runs of one session by what they are looked up by. One update may ask about thousands of them: what each
 * ask costs must not grow with their number.
 */
import { KEY, recordAt, type Entry } from '../shared/layout.ts'
import type { MessageHead } from '../shared/message.ts'
import { hasEnded, type RunStatus } from '../shared/run.ts'

export class SessionIndex {
  readonly #runs = new Map<string, Entry>()
  /** Runs by the input that asked for them, or for the run above them. */
  readonly #ofInput = new Map<string, Entry[]>()
  /** Runs that had not ended when they were last looked at, in the order in which they were made. */
  readonly #open = new Set<Entry>()
  /** Runs that were given to a worker, as long as they had not ended. */
  readonly #given = new Set<Entry>()
  readonly #messages = new Map<string, Entry>()
  readonly #replies = new Map<string, Entry>()

  /** All runs by id, in the order in which they were made. */
  get runs(): ReadonlyMap<string, Entry> {
    return this.#runs
  }

  /** Takes in a run. Of two with one id the first counts; false for the second. */
  addRun(run: Entry): boolean {
    const { id, input } = recordAt(run, KEY.head) ?? {}
    if (typeof id !== 'string' || this.#runs.has(id)) return false
    this.#runs.set(id, run)
    if (!isOver(run)) this.#open.add(run)
    if (run.has(KEY.lease)) this.given(run)
    if (typeof input !== 'string') return true
    const runs = this.#ofInput.get(input)
    if (runs === undefined) this.#ofInput.set(input, [run])
    else runs.push(run)
    return true
  }

  /** A run was given to a worker. */
  given(run: Entry): void {
    if (!isOver(run)) this.#given.add(run)
  }

  /** Takes in a message that has its place. */
  addMessage(map: Entry, { id, kind, run }: MessageHead): void {
    if (!this.#messages.has(id)) this.#messages.set(id, map)
    if (kind === 'agent' && typeof run === 'string' && !this.#replies.has(run)) this.#replies.set(run, map)
  }

  /** A message that has its place. */
  message(id: string): Entry | undefined {
    return this.#messages.get(id)
  }

  /** What a run has written. */
  replyOf(run: string): Entry | undefined {
    return this.#replies.get(run)
  }

  /** The runs that an input asked for, and those that they did. */
  runsOf(input: string): readonly Entry[] {
    return this.#ofInput.get(input) ?? []
  }

  /** Runs that have not ended. */
  *open(): Generator<Entry> {
    for (const run of this.#open) {
      if (isOver(run)) this.#open.delete(run)
      else yield run
    }
  }

  /** Runs that a worker has. */
  *leased(): Generator<Entry> {
    for (const run of this.#given) {
      if (isOver(run) || !run.has(KEY.lease)) this.#given.delete(run)
      else yield run
    }
  }
}

function isOver(run: Entry): boolean {
  return hasEnded(run.get(KEY.status) as RunStatus)
}
