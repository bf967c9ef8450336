/**
 * Sub-agents: a run writes into its `spawned` what it wants another agent to do, and the server makes the child run and its
 * job, in the same commit. A child has a writer of its own and waits for nobody's queue. When its parent is cancelled, fails or
 * is interrupted, it is cancelled too, by a flag like anybody's; a parent that completes leaves its children at work.
 */
import * as Y from 'yjs'
import { cancelOf, type CancelFlag } from '../shared/control.ts'
import { childIdOf } from '../shared/ids.ts'
import { arrayAt, asRecord, cancelKey, KEY, recordAt, stringAt, type SessionRoots } from '../shared/layout.ts'
import { AGENT_NAME, MAX_CHILDREN, MAX_SPAWN_DEPTH } from '../shared/limits.ts'
import { hasEnded, isRunStatus } from '../shared/run.ts'

/** What a child run is made of. */
export interface ChildRun {
  readonly id: string
  readonly agent: string
  /** The input of the run at the top. */
  readonly input: string
  readonly parent: string
  readonly title?: string
}

export interface SpawnsOptions {
  readonly roots: Pick<SessionRoots, 'control'>
  /** All runs of the session, by id; a child stands behind its parent. */
  readonly runs: ReadonlyMap<string, Y.Map<unknown>>
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly make: (child: ChildRun) => void
}

export class Spawns {
  readonly #options: SpawnsOptions
  /** Runs whose `spawned` has grown. */
  readonly #grown = new Set<Y.Map<unknown>>()
  /** Children that may still be at work. */
  readonly #children = new Map<string, string>()

  constructor(options: SpawnsOptions) {
    this.#options = options
  }

  /** Some runs wait to be made. */
  get pending(): boolean {
    return this.#grown.size > 0
  }

  /** Takes note of a run, once. */
  learn(id: string, run: Y.Map<unknown>): void {
    const parent = recordAt(run, KEY.head)?.['parent']
    if (typeof parent === 'string') this.#children.set(id, parent)
  }

  /** Takes note of a change within a run. */
  note(event: Y.YEvent<Y.AbstractType<unknown>>): void {
    const run = event.target.parent
    if (run instanceof Y.Map && run.get(KEY.spawned) === event.target) this.#grown.add(run as Y.Map<unknown>)
  }

  /** Makes the children that were asked for. Within the transaction of whoever calls. */
  make(): void {
    for (const run of this.#grown) this.#makeChildren(run)
    this.#grown.clear()
  }

  /**
   * Asks the children to stop whose parent is to stop, or has ended otherwise than well. Within a transaction as well. True when
   * there were any.
   */
  stopOrphans(): boolean {
    const { runs, roots } = this.#options
    const { control } = roots
    let stopped = false
    for (const [id, parent] of this.#children) {
      const status = runs.get(id)?.get(KEY.status)
      if (!isRunStatus(status) || hasEnded(status)) this.#children.delete(id)
      else if (!control.has(cancelKey(id))) {
        const flag = this.#stopOf(parent)
        if (flag === undefined) continue
        control.set(cancelKey(id), flag)
        stopped = true
      }
    }
    return stopped
  }

  #makeChildren(run: Y.Map<unknown>): void {
    const head = recordAt(run, KEY.head)
    const { id: parent, input, agent: asking } = head ?? {}
    if (typeof parent !== 'string' || typeof input !== 'string' || typeof asking !== 'string') return
    if (this.#depth(parent) >= MAX_SPAWN_DEPTH) return
    const spawned = arrayAt(run, KEY.spawned)?.toArray() ?? []
    spawned.slice(0, MAX_CHILDREN).forEach((value, i) => {
      const { id, agent, title } = asRecord(value) ?? {}
      if (typeof agent !== 'string' || !AGENT_NAME.test(agent)) return
      // Derived from its place: a made-up id must not take that of a run which is still to come.
      if (id !== childIdOf(parent, agent, i + 1) || this.#options.runs.has(id)) return
      this.#options.make({ id, agent, input, parent, ...(typeof title === 'string' ? { title } : {}) })
    })
  }

  /** How many runs are above this one. */
  #depth(id: string): number {
    let depth = 0
    for (let at = this.#parentOf(id); at !== undefined && depth < MAX_SPAWN_DEPTH; at = this.#parentOf(at)) depth += 1
    return depth
  }

  #parentOf(id: string): string | undefined {
    const run = this.#options.runs.get(id)
    const parent = run === undefined ? undefined : recordAt(run, KEY.head)?.['parent']
    return typeof parent === 'string' ? parent : undefined
  }

  #stopOf(id: string): CancelFlag | undefined {
    const { runs, roots, now } = this.#options
    const run = runs.get(id)
    if (run === undefined) return undefined
    const { input, agent } = recordAt(run, KEY.head) ?? {}
    const status = stringAt(run, KEY.status)
    if (status === 'complete') return undefined
    const flag = cancelOf(roots.control, id, String(input))
    if (flag !== undefined) return flag
    if (status !== 'error' && status !== 'interrupted' && status !== 'cancelled') return undefined
    return { by: String(agent), at: now(), reason: `The run that asked for it has ended: ${status}.` }
  }
}
