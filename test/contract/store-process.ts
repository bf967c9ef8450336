/**
 * A process with a store of its own on a file that others use as well. It is told what to do by messages, and answers each
 * with one message. SQLite turns away whoever comes while another one writes, so everything is tried until it succeeds.
 */
import { setImmediate } from 'node:timers/promises'
import { sqliteStore } from '../../server/store-sqlite.ts'

export type StoreTask =
  /** Opens the store, and closes the one before; answered by null. */
  | { readonly t: 'open'; readonly file: string }
  /** Answered by the job or null. */
  | { readonly t: 'claim'; readonly run: string; readonly worker: string }
  /** Logs `count` updates of one byte, each in a batch of its own; answered by null. */
  | { readonly t: 'append'; readonly session: string; readonly value: number; readonly count: number }

let store: ReturnType<typeof sqliteStore> | null = null

async function perform(task: StoreTask): Promise<unknown> {
  if (task.t === 'open') {
    await store?.close()
    store = sqliteStore({ file: task.file, synchronous: 'normal', shared: true })
    return null
  }
  const opened = store
  if (opened === null) throw new Error('The store is not open.')
  if (task.t === 'claim') return insist(() => opened.claim(task.run, task.worker, 60_000))
  const entry = { session: task.session, update: new Uint8Array([task.value]) }
  for (let i = 0; i < task.count; i++) await insist(() => opened.append({ entries: [entry], jobs: [], ended: [] }))
  return null
}

async function insist<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('locked'))) throw error
      await setImmediate()
    }
  }
}

process.on('message', (task: StoreTask) => {
  void perform(task).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
