/** Sub-agents from their parent's side: a run asks another agent for a run of its own, and may wait for its end. */
import type * as Y from 'yjs'
import type { Run } from '../shared/entries.ts'
import { SessionError } from '../shared/errors.ts'
import { childIdOf } from '../shared/ids.ts'
import { keptJson } from '../shared/json.ts'
import { arrayAt, asRecord, KEY, recordAt, rootsOf } from '../shared/layout.ts'
import { AGENT_NAME, MAX_CHILDREN, MAX_SPAWN_CHARS, MAX_SPAWN_DEPTH } from '../shared/limits.ts'
import { textOf, type Json, type Message } from '../shared/message.ts'
import { hasEnded } from '../shared/run.ts'
import type { Session } from './session.ts'

/** How a spawned run has ended. */
export interface SpawnEnd {
  readonly run: Run
  /** What it wrote; absent when it wrote nothing. */
  readonly reply?: Message
  /** The reply's text, possibly partial: see `run.status`. */
  readonly text: string
}

/** A run that another one has asked for. */
export interface SpawnedRun {
  readonly id: string
  /**
   * Resolves when it has ended, in whichever way. Rejects with the reason of `run.signal` when the run that asked for it is over
   * before; nobody need listen to that.
   */
  readonly done: Promise<SpawnEnd>
}

interface Asked {
  readonly id: string
  readonly agent: string
  readonly data?: Json
  readonly title?: string
}

/** What one run has asked other agents for. */
export class Children {
  readonly #session: Session
  readonly #run: Y.Map<unknown>
  readonly #parent: string
  readonly #signal: AbortSignal
  /** An attempt before this one may have asked already: up to here this one has asked for the same. */
  #at = 0

  /** @param run the entry of the run that asks; its id is `parent`. */
  constructor(session: Session, run: Y.Map<unknown>, parent: string, signal: AbortSignal) {
    this.#session = session
    this.#run = run
    this.#parent = parent
    this.#signal = signal
  }

  /** Asks, by `push` within a transaction of whoever calls, or finds what a former attempt has asked for. */
  spawn(agent: string, data: Json | undefined, title: string | undefined, push: (write: () => void) => void): SpawnedRun {
    if (!AGENT_NAME.test(agent)) {
      throw new SessionError('bad-argument', `An agent's name is 1 to 64 of A-Z a-z 0-9 _ -; it is ${JSON.stringify(agent)}.`)
    }
    const given = data === undefined ? undefined : (keptJson(data) as Json)
    const chars = given === undefined ? 0 : JSON.stringify(given).length
    if (chars > MAX_SPAWN_CHARS) {
      throw new SessionError('too-big', `A sub-agent's data may have ${MAX_SPAWN_CHARS} characters; this has ${chars}.`)
    }
    const list = arrayAt(this.#run, KEY.spawned)
    const before = list?.toArray() ?? []
    const same = JSON.stringify([agent, given ?? null])
    const found = before.findIndex((value, i) => i >= this.#at && JSON.stringify(keyOf(value)) === same)
    if (found !== -1) {
      this.#at = found + 1
      return this.#handle(String(asRecord(before[found])?.['id']))
    }
    if (before.length >= MAX_CHILDREN) throw new SessionError('bad-argument', `A run may ask for ${MAX_CHILDREN} others.`)
    if (depthOf(this.#session, this.#parent) >= MAX_SPAWN_DEPTH) {
      throw new SessionError('bad-argument', `Runs may ask for one another ${MAX_SPAWN_DEPTH} deep.`)
    }
    const id = childIdOf(this.#parent, agent, before.length + 1)
    const asked: Asked = {
      id,
      agent,
      ...(given === undefined ? {} : { data: given }),
      ...(title === undefined ? {} : { title }),
    }
    push(() => list?.push([asked]))
    this.#at = before.length + 1
    return this.#handle(id)
  }

  #handle(id: string): SpawnedRun {
    const done = this.#end(id)
    // Whoever only starts it does not listen.
    done.catch(() => {})
    return { id, done }
  }

  #end(id: string): Promise<SpawnEnd> {
    const signal = this.#signal
    const session = this.#session
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const run = session.run(id)
        if (run === undefined || !hasEnded(run.status)) return
        stop()
        const reply = session.allIds.map((each) => session.message(each)).find((message) => message?.metadata.run === id)
        resolve({ run, ...(reply === undefined ? {} : { reply }), text: reply === undefined ? '' : textOf(reply) })
      }
      const fail = (): void => {
        stop()
        reject(signal.reason as Error)
      }
      const off = session.subscribe(look, `run:${id}`)
      const stop = (): void => {
        off()
        signal.removeEventListener('abort', fail)
      }
      if (signal.aborted) fail()
      else signal.addEventListener('abort', fail, { once: true })
      look()
    })
  }
}

function keyOf(value: unknown): unknown[] {
  const { agent, data } = asRecord(value) ?? {}
  return [agent, data ?? null]
}

function depthOf(session: Session, id: string): number {
  let depth = 0
  for (let run = session.run(id); run?.parent !== undefined && depth < MAX_SPAWN_DEPTH; run = session.run(run.parent)) depth += 1
  return depth
}

/** What the parent of a run gave it. */
export function dataOf(doc: Y.Doc, run: Run): Json | undefined {
  if (run.parent === undefined) return undefined
  for (const entry of rootsOf(doc).tasks) {
    if (recordAt(entry, KEY.head)?.['id'] !== run.parent) continue
    const asked = arrayAt(entry, KEY.spawned)
      ?.toArray()
      .find((value) => asRecord(value)?.['id'] === run.id)
    return asRecord(asked)?.['data'] as Json | undefined
  }
  return undefined
}
