/**
 * Whether a run may be cancelled, where the server has a policy: a flag that it refuses is taken away in the update that
 * brought it, so that no worker ever sees it, and the run says so to the one who asked (SPEC §3).
 */
import type * as Y from 'yjs'
import { readCancel } from '../shared/control.ts'
import { cancelKey, cancelTarget, KEY, recordAt, type SessionRoots } from '../shared/layout.ts'
import type { Participant } from '../shared/participant.ts'
import { hasEnded, type RunStatus } from '../shared/run.ts'
import type { RunVerdict } from '../shared/verdict.ts'

/** Somebody asks to end a run. */
export interface CancelRequest {
  readonly session: string
  readonly run: string
  readonly agent: string
  /** Id of the message that asked for the run. */
  readonly input: string
  readonly by: Participant
  readonly reason?: string
}

/** Says whether a run may be cancelled: true, or false or a text that says why not, which the one who asked is shown. */
export type MayCancel = (request: CancelRequest) => boolean | string

export interface CancelsOptions {
  readonly session: string
  readonly roots: SessionRoots
  /** All runs of the session by id; the clerk's own. */
  readonly runs: ReadonlyMap<string, Y.Map<unknown>>
  /** The runs that an input asked for, and those that they did. */
  readonly runsOf: (input: string) => readonly Y.Map<unknown>[]
  /** Absent: everything may be cancelled. */
  readonly mayCancel: MayCancel | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly participant: (id: string) => Participant | null
}

export class Cancels {
  readonly #options: CancelsOptions
  /** Ids of runs and inputs whose flags are still to be judged. */
  readonly #targets = new Set<string>()

  constructor(options: CancelsOptions) {
    this.#options = options
  }

  /** A key of `control` was written by a participant. */
  noteKey(key: string): void {
    const target = cancelTarget(key)
    if (target !== null) this.note(target)
  }

  /** An input is there, and maybe a flag was before it. */
  note(target: string): void {
    if (this.#options.mayCancel !== undefined) this.#targets.add(target)
  }

  settle(): void {
    for (const target of this.#targets) this.#judge(target)
    this.#targets.clear()
  }

  /** Why somebody must not cancel a run; null where that is allowed. */
  objection(run: string, by: Participant, reason?: string): string | null {
    const { session, runs, mayCancel } = this.#options
    const map = runs.get(run)
    if (mayCancel === undefined || map === undefined) return null
    const { agent, input } = recordAt(map, KEY.head) as { agent: string; input: string }
    const answer = mayCancel({ session, run, agent, input, by, ...(reason === undefined ? {} : { reason }) })
    if (answer === true) return null
    return typeof answer === 'string' ? answer : 'refused'
  }

  #judge(target: string): void {
    const { roots, runs, runsOf, now, participant } = this.#options
    const key = cancelKey(target)
    const flag = readCancel(roots.control.get(key))
    const by = participant(flag?.by ?? '')
    if (flag === undefined || by === null) return
    const meant = [runs.get(target), ...runsOf(target)].flatMap((run) => {
      const id = run === undefined ? undefined : recordAt(run, KEY.head)?.['id']
      const isMeant = run !== undefined && typeof id === 'string' && !hasEnded(run.get(KEY.status) as RunStatus)
      return isMeant ? [[id, run] as const] : []
    })
    const judged = meant.map(([id, run]) => ({ id, run, reason: this.objection(id, by, flag.reason) }))
    if (judged.every(({ reason }) => reason === null)) {
      // An earlier no does not hold any more.
      for (const { run } of judged) if (run.has(KEY.verdict)) run.delete(KEY.verdict)
      return
    }
    roots.control.delete(key)
    for (const { id, run, reason } of judged) {
      if (reason !== null) run.set(KEY.verdict, { about: 'cancel', by: by.id, at: now(), reason } satisfies RunVerdict)
      // Of several runs of one input those that may end do.
      else roots.control.set(cancelKey(id), flag)
    }
  }
}
