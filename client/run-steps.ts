/**
 * The steps of a run from its agent's side, plain and durable ones.
 *
 * 1. A durable step is done once: its result is stored with its end, in one transaction. A later attempt of the run gets the
 *    stored result: the n-th durable step of a title that of the n-th.
 * 2. What an earlier attempt wrote up to its last durable step stands. While a later attempt comes to that place again, what it
 *    writes is taken for what is there.
 * 3. Entries that are there are used again, by title and in order, so that no step is shown twice.
 */
import * as Y from 'yjs'
import { SessionError } from '../shared/errors.ts'
import { keptJson } from '../shared/json.ts'
import { arrayAt, KEY, recordAt, type Entry } from '../shared/layout.ts'
import type { StepStatus } from '../shared/run.ts'

/** A step of a run while it is worked on. */
export interface StepHandle {
  done(this: void, detail?: string): void
  fail(this: void, detail?: string): void
  /** @param fraction 0 to 1. Write it on a change that people care for, not per tick: each is stored. */
  progress(this: void, fraction: number, detail?: string): void
}

/** What steps need of their run. */
export interface StepsHost {
  /** The run's entry. */
  readonly map: Entry
  /** Changes the document in one transaction, with what is buffered before it; does nothing once the run is over. */
  write(change: () => void): void
  /** Ends the text that is written at the moment. */
  closeText(): void
  /** Parts of the reply that stand, whatever is done again: those before all that is under way. */
  standing(): number
  /** From here on the reply goes on after that many parts. */
  seek(parts: number): void
  /** Notes that what is written from here on belongs together; gives the function that ends it. */
  open(): () => void
  /** Resolves when all that was written so far is stored. Rejects when the run is over before. */
  stored(): Promise<void>
}

export class RunSteps {
  readonly #host: StepsHost
  /** Entries of an earlier attempt that this one has not come to yet. */
  readonly #left: Entry[]

  constructor(host: StepsHost) {
    this.#host = host
    this.#left = (arrayAt(host.map, KEY.steps)?.toArray() ?? []).filter((entry) => entry instanceof Y.Map)
  }

  begin(title: string): StepHandle {
    return this.#handle(this.#start(title))
  }

  async once<T>(title: string, work: (step: Pick<StepHandle, 'progress'>) => Promise<T> | T): Promise<T> {
    const host = this.#host
    host.closeText()
    const known = this.#take(title, true)
    if (known !== undefined) {
      host.seek(Number(known.get(KEY.parts)) || 0)
      return known.get(KEY.result) as T
    }
    const step = this.#start(title)
    const handle = this.#handle(step)
    const close = host.open()
    let result: unknown
    try {
      result = toJson(title, await work({ progress: handle.progress }))
    } catch (error) {
      handle.fail(error instanceof Error ? error.message : String(error))
      throw error
    } finally {
      close()
    }
    host.closeText()
    host.write(() => {
      step.set(KEY.status, 'done' satisfies StepStatus)
      step.set(KEY.result, result)
      step.set(KEY.parts, host.standing())
    })
    await host.stored()
    return result as T
  }

  #start(title: string): Entry {
    const known = this.#take(title, false)
    const step = known ?? new Y.Map<unknown>()
    this.#host.write(() => {
      step.set(KEY.status, 'running' satisfies StepStatus)
      if (known === undefined) {
        step.set(KEY.head, { title })
        arrayAt(this.#host.map, KEY.steps)?.push([step])
        return
      }
      // Of the attempt before: it begins anew.
      if (known.has(KEY.progress)) known.set(KEY.progress, 0)
      if (known.has(KEY.detail)) known.set(KEY.detail, '')
    })
    return step
  }

  #handle(step: Entry): StepHandle {
    const end = (status: StepStatus, detail?: string): void =>
      this.#host.write(() => {
        if (step.get(KEY.status) !== 'running') return
        step.set(KEY.status, status)
        if (detail !== undefined) step.set(KEY.detail, detail)
      })
    return {
      done: (detail) => end('done', detail),
      fail: (detail) => end('failed', detail),
      progress: (fraction, detail) =>
        this.#host.write(() => {
          step.set(KEY.progress, Math.min(1, Math.max(0, fraction)))
          if (detail !== undefined) step.set(KEY.detail, detail)
        }),
    }
  }

  #take(title: string, isDone: boolean): Entry | undefined {
    const index = this.#left.findIndex((step) => recordAt(step, KEY.head)?.['title'] === title && step.has(KEY.result) === isDone)
    return index < 0 ? undefined : this.#left.splice(index, 1)[0]
  }
}

/** As it is read back: whoever does the step, and whoever gets its result later, see the same. */
function toJson(title: string, value: unknown): unknown {
  try {
    return keptJson(value)
  } catch (error) {
    if (error instanceof SessionError) throw error
    throw new SessionError('bad-argument', `The result of the step ${JSON.stringify(title)} is not JSON: ${String(error)}`)
  }
}
