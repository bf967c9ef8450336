/** An agent's process in the simulation: a peer that does the runs which it is given, with the real run of the agent side. */
import { NO_BLOBS } from '../support/no-blobs.ts'
import { AgentRun, type StepHandle } from '../../client/agent-run.ts'
import type { Job } from '../../server/store.ts'
import type { Chance } from '../support/random.ts'
import { Peer, type PeerOptions } from './peer.ts'

interface Work {
  readonly run: AgentRun
  step: StepHandle | null
  /** Lets a suspended run go on. */
  resume: (() => void) | null
}

export class Worker {
  readonly id: string
  readonly peer: Peer
  /** Given by the server, not begun yet. */
  readonly given: Job[] = []
  readonly working: Map<string, Work> = new Map()
  /** What each run has written while it could. */
  readonly written: Map<string, string>
  readonly #now: () => number

  constructor(id: string, written: Map<string, string>, options: PeerOptions) {
    this.id = id
    this.written = written
    this.#now = options.now
    this.peer = new Peer(options)
    this.peer.worker = id
  }

  /** Begins a run that has appeared here. Gives what it did, for the record. */
  begin(): string | null {
    const { session, doc, me } = this.peer
    const index = this.given.findIndex(({ run, input }) => session.run(run) !== undefined && session.message(input) !== undefined)
    const [job] = index < 0 ? [] : this.given.splice(index, 1)
    const run = job === undefined ? undefined : session.run(job.run)
    const input = job === undefined ? undefined : session.message(job.input)
    if (run === undefined || input === undefined) return null
    const begun = new AgentRun({ session, doc, run, input, agent: me.id, now: this.#now, flushEveryMs: 0, blobs: NO_BLOBS })
    if (!begun.start()) return `${run.id} is over before it begins`
    this.working.set(run.id, { run: begun, step: null, resume: null })
    return `${run.id} begins`
  }

  /** Does one thing in one of its runs. */
  act(chance: Chance): string | null {
    for (const [id, { run }] of this.working) if (run.over) this.working.delete(id)
    if (this.working.size === 0) return null
    const [id, work] = chance.pick([...this.working])
    const { run } = work
    switch (chance.int(0, 9)) {
      case 0:
        return this.finish(id, chance.bool(0.7) ? 'complete' : 'fail')
      case 1:
        work.step = run.step(chance.word())
        return `${id} begins a step`
      case 2:
        work.step?.[chance.pick(['done', 'fail'] as const)](chance.word())
        work.step?.progress(0.5)
        return `${id} ends a step`
      case 3:
        return this.#suspend(id, work)
      default:
        return this.#write(id, work, chance.word())
    }
  }

  finish(id: string, how: 'complete' | 'fail'): string {
    const work = this.working.get(id)
    this.working.delete(id)
    work?.resume?.()
    if (how === 'complete') work?.run.complete()
    else work?.run.fail(new Error('as it happens'))
    return `${id}: ${how}`
  }

  #write(id: string, { run }: Work, word: string): string {
    run.write(`${word} `)
    this.written.set(id, `${this.written.get(id) ?? ''}${word} `)
    return `${id} writes ${word}`
  }

  #suspend(id: string, work: Work): string {
    if (work.resume !== null) {
      work.resume()
      work.resume = null
      return `${id} goes on`
    }
    const waiting = work.run.wait('something', () => new Promise<void>((resolve) => (work.resume = resolve)))
    // Rejects when the run ends meanwhile, as it would in a handler.
    waiting.catch(() => {})
    return `${id} waits`
  }
}
