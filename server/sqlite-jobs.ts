/** A job as a row of SQLite. */
import type { SQLOutputValue } from 'node:sqlite'
import type { Job } from './store.ts'

/** The columns of `jobs` that make a job. */
export const JOB = 'run, session, agent, input, parent, urgent, held, generation, worker, expires_at'

export function toJob(row: Record<string, SQLOutputValue>): Job {
  const { run, session, agent, input, parent, urgent, held, generation, worker, expires_at } = row as unknown as JobRow
  return {
    run,
    session,
    agent,
    input,
    ...(parent === null ? {} : { parent }),
    ...(urgent === 0 ? {} : { urgent: true }),
    ...(held === 0 ? {} : { held: true }),
    state: worker === null ? 'open' : 'leased',
    generation,
    worker,
    expiresAt: expires_at,
  }
}

interface JobRow extends Pick<Job, 'run' | 'session' | 'agent' | 'input' | 'generation' | 'worker'> {
  readonly parent: string | null
  readonly urgent: number
  readonly held: number
  readonly expires_at: number
}
