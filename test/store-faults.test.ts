import { execFileSync, fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { DamagedSession, type Job, type NewJob, type Store } from '../server/store.ts'
import { sqliteStore } from '../server/store-sqlite.ts'
import { freshFolder, openStore, sqlOf } from './contract/sqlite-file.ts'
import { bytes, log } from './contract/store.ts'
import type { StoreTask } from './contract/store-process.ts'

describe('damage', () => {
  /** Three sessions in a file; `damage` changes the file of the closed store; then `b` is damaged, the others are not. */
  async function expectOnlyBDamaged(prepare: (store: Store) => Promise<void>, damage: (file: string) => void): Promise<string> {
    const file = join(freshFolder(), 'store.db')
    const first = sqliteStore({ file })
    for (const session of ['a', 'b', 'c']) await log(first, session, 1, 2, 3)
    await prepare(first)
    const others = await Promise.all([first.read('a'), first.read('c')])
    await first.close()
    damage(file)
    const store = openStore(file)
    const count = 'select (select count(*) from updates) as updates, (select count(*) from snapshots) as snapshots'
    const tableBefore = tryOr(() => sqlOf(file, count))
    const error: unknown = await store.read('b').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(DamagedSession)
    expect((error as DamagedSession).session).toBe('b')
    // Left as it was, so that it can be examined: not mended, not removed, and damaged at the next attempt as well.
    expect(tryOr(() => sqlOf(file, count))).toEqual(tableBefore)
    await expect(store.read('b')).rejects.toThrow(DamagedSession)
    expect(await Promise.all([store.read('a'), store.read('c')])).toEqual(others)
    await log(store, 'a', 4)
    expect((await store.read('a')).lastSeq).toBe((others[0]?.lastSeq ?? 0) + 1)
    return (error as DamagedSession).message
  }
  const ofB = "where session = (select id from sessions where name = 'b')"
  const nothing = async (): Promise<void> => {}

  test('[K3] a flipped byte of an update is found', async () => {
    const message = await expectOnlyBDamaged(nothing, (file) => sqlOf(file, `update updates set data = x'03' ${ofB} and seq = 2`))
    expect(message).toBe('The stored session b is damaged: update 2 does not match its checksum.')
  })

  test('[K3] a byte flipped in the file itself is found', async () => {
    const needle = Buffer.from('book me a flight')
    await expectOnlyBDamaged(
      (store) => store.append({ entries: [{ session: 'b', update: needle }], jobs: [], ended: [] }),
      (file) => {
        const content = readFileSync(file)
        const at = content.indexOf(needle)
        expect(at).toBeGreaterThan(0)
        content[at + 5] = (content[at + 5] ?? 0) ^ 1
        writeFileSync(file, content)
      },
    )
  })

  test('[K3] pages that are no pages any more are found', async () => {
    const needle = Buffer.from('book me a flight '.repeat(20))
    const entries = Array.from({ length: 100 }, () => ({ session: 'b', update: needle }))
    const message = await expectOnlyBDamaged(
      (store) => store.append({ entries, jobs: [], ended: [] }),
      (file) => {
        const content = readFileSync(file)
        // In the middle of the session's rows, so that the page holds nothing else.
        const pages = new Set<number>()
        for (let at = content.indexOf(needle); at >= 0; at = content.indexOf(needle, at + 1)) pages.add(Math.floor(at / 4096))
        const page = [...pages][Math.floor(pages.size / 2)] ?? 0
        expect(pages.size).toBeGreaterThan(4)
        content.fill(0xff, page * 4096, (page + 1) * 4096)
        writeFileSync(file, content)
      },
    )
    expect(message).toContain('corrupt')
  })

  test('[K3] a flipped byte of a snapshot is found, compressed or not', async () => {
    for (const size of [10, 100_000]) {
      const message = await expectOnlyBDamaged(
        async (store) => void (await store.compact('b', 2, new Uint8Array(size).fill(7))),
        (file) => sqlOf(file, `update snapshots set data = cast(x'09' || substr(data, 2) as blob) ${ofB}`),
      )
      expect(message).toContain('the snapshot does not match its checksum')
    }
  })

  test('[K3] a snapshot that does not expand to its size is found', async () => {
    for (const size of [50_000, 200_000]) {
      const message = await expectOnlyBDamaged(
        async (store) => void (await store.compact('b', 2, new Uint8Array(100_000))),
        (file) => sqlOf(file, `update snapshots set size = ${size} ${ofB}`),
      )
      expect(message).toContain(`expand to its ${size} bytes`)
    }
  })

  test.each([
    ['in the middle', 'seq = 2', 'after update 1 comes update 3'],
    ['at the beginning', 'seq = 1', 'after update 0 comes update 2'],
  ])('[K3] a gap %s is found', async (_, where, what) => {
    expect(await expectOnlyBDamaged(nothing, (file) => sqlOf(file, `delete from updates ${ofB} and ${where}`))).toContain(what)
  })

  test('[K3] a gap between snapshot and updates is found (LOG-4)', async () => {
    const prepare = async (store: Store): Promise<void> => void (await store.compact('b', 1, bytes(1)))
    const damage = (file: string): unknown => sqlOf(file, `delete from updates ${ofB} and seq = 2`)
    expect(await expectOnlyBDamaged(prepare, damage)).toContain('after update 1 comes update 3')
  })

  test('[K3] a row in the place of another one is found', async () => {
    const swap = `update updates set (data, sum) = (select data, sum from updates ${ofB} and seq = 3) ${ofB} and seq = 2`
    expect(await expectOnlyBDamaged(nothing, (file) => sqlOf(file, swap))).toContain('update 2 does not match')
  })
})

describe('trouble', () => {
  test('[K2] while the database is locked everything rejects at once, nothing is half-written, and then it works', async () => {
    const file = join(freshFolder(), 'store.db')
    const store = openStore(file)
    await log(store, 's', 1)
    await store.append({ entries: [], jobs: [job('r')], ended: [] })
    const other = new DatabaseSync(file)
    onTestFinished(() => other.close())
    other.exec('begin exclusive')
    const startedAt = performance.now()
    const batch = {
      entries: [
        { session: 's', update: bytes(2) },
        { session: 't', update: bytes(3) },
      ],
      jobs: [],
      ended: ['r'],
    }
    for (let i = 0; i < 20; i++) await expect(store.append(batch)).rejects.toThrow('database is locked')
    await expect(store.compact('s', 1, bytes(1))).rejects.toThrow('database is locked')
    await expect(store.claim('r', 'w', 1_000)).rejects.toThrow('database is locked')
    // A wait for the lock would take seconds each.
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    expect(await store.read('s')).toEqual({ snapshot: null, snapshotSeq: 0, updates: [bytes(1)], lastSeq: 1 })
    other.exec('rollback')
    await store.append(batch)
    expect((await store.read('s')).updates).toEqual([bytes(1), bytes(2)])
    expect(await store.sessions()).toEqual(['s', 't'])
    expect(await store.jobs()).toEqual([])
  })

  test('[K2] on a full disk nothing is half-written, and with room again it works', async ({ skip }) => {
    const folder = mountTmpfs(3 * 1024 * 1024)
    if (folder === null) return skip('only root can mount a small disk')
    const filler = join(folder, 'filler')
    await expectToSurviveFullness(
      openStore(join(folder, 'store.db')),
      () => fillDisk(filler),
      () => rmSync(filler),
    )
  })

  test('[K2] when a row in the middle of a batch is refused nothing is half-written, and afterwards it works', async () => {
    // Runs where no disk can be mounted, too; and unlike a full disk, this leaves the transaction open.
    const file = join(freshFolder(), 'store.db')
    const refuse = "create trigger full before insert on updates when new.seq % 7 = 0 begin select raise(abort, 'full'); end"
    await expectToSurviveFullness(
      openStore(file),
      () => void sqlOf(file, refuse),
      () => void sqlOf(file, 'drop trigger full'),
    )
  })

  async function expectToSurviveFullness(store: Store, fill: () => void, free: () => void): Promise<void> {
    const update = new Uint8Array(2_000).fill(1)
    const batchOf = (session: string): { session: string; update: Uint8Array }[] =>
      Array.from({ length: 100 }, () => ({ session, update }))
    const entries = [...batchOf('new'), ...batchOf('s')]
    await store.append({ entries: batchOf('s'), jobs: [job('r')], ended: [] })
    const before = await store.read('s')
    fill()
    for (let i = 0; i < 5; i++) {
      await expect(store.append({ entries, jobs: [job('r2', 't')], ended: ['r'] })).rejects.toThrow(/full|disk/)
      expect(await store.sessions()).toEqual(['s'])
      expect((await store.jobs()).map(({ run }) => run)).toEqual(['r'])
      expect(await store.read('s')).toEqual(before)
    }
    free()
    await store.append({ entries, jobs: [job('r2', 't')], ended: ['r'] })
    expect((await store.read('s')).lastSeq).toBe(200)
    expect((await store.read('new')).lastSeq).toBe(100)
    expect((await store.jobs()).map(({ run }) => run)).toEqual(['r2'])
  }
})

describe('two processes on one file', () => {
  test('two stores at once do not write over each other, and see what the other one did', async () => {
    const file = join(freshFolder(), 'store.db')
    const [one, two] = [openStore(file, { shared: true }), openStore(file, { shared: true })]
    await log(one, 's', 1)
    await log(two, 's', 2)
    await log(one, 's', 3)
    expect((await two.read('s')).updates).toEqual([bytes(1), bytes(2), bytes(3)])
    expect(await two.compact('s', 3, bytes(123))).toBe(true)
    expect(await one.compact('s', 3, bytes(99))).toBe(false)
    await log(one, 's', 4)
    expect(await two.read('s')).toEqual({ snapshot: bytes(123), snapshotSeq: 3, updates: [bytes(4)], lastSeq: 4 })
    // The next session may get the number of the erased one, which the other store still has cached.
    await two.erase('s')
    await log(two, 't', 7)
    await log(one, 's', 8)
    expect((await one.read('s')).updates).toEqual([bytes(8)])
    expect((await two.read('t')).updates).toEqual([bytes(7)])
  })

  test('two processes create one file at once and log into one session: all is there', async () => {
    const folder = freshFolder()
    const processes = [startProcess(), startProcess()]
    for (let trial = 0; trial < 20; trial++) {
      const file = join(folder, `store-${trial}.db`)
      await Promise.all(processes.map((ask) => ask({ t: 'open', file })))
      await Promise.all(processes.map((ask, value) => ask({ t: 'append', session: 's', value, count: 20 })))
      const { updates, lastSeq } = await openStore(file, { shared: true }).read('s')
      expect(lastSeq).toBe(40)
      expect(updates.filter((update) => update[0] === 1)).toHaveLength(20)
      expect(sqlOf(file, 'pragma integrity_check')).toEqual([{ integrity_check: 'ok' }])
    }
  }, 30_000)

  test('[G2] two processes claim each job at once: exactly one gets it', async () => {
    const trials = 1_000
    const file = join(freshFolder(), 'store.db')
    const store = openStore(file, { shared: true })
    const jobs = Array.from({ length: trials }, (_, i) => job(`r${i}`, `s${i}`))
    await store.append({ entries: [], jobs, ended: [] })
    const processes = [startProcess(), startProcess()]
    await Promise.all(processes.map((ask) => ask({ t: 'open', file })))
    const wins = [0, 0]
    for (const { run } of jobs) {
      const claims = await Promise.all(processes.map((ask, i) => ask({ t: 'claim', run, worker: `w${i}` })))
      const winners = claims.flatMap((claim, i) => (claim === null ? [] : [i]))
      expect(winners).toHaveLength(1)
      const winner = winners[0] ?? 0
      wins[winner] = (wins[winner] ?? 0) + 1
      expect(claims[winner]).toMatchObject({ run, generation: 1, worker: `w${winner}` })
    }
    // Otherwise they were not at it at once, and the test shows nothing.
    expect(Math.min(...wins)).toBeGreaterThan(0)
    expect((await store.jobs()).every(({ generation, state }: Job) => generation === 1 && state === 'leased')).toBe(true)
  }, 30_000)
})

const job = (run: string, session = 's'): NewJob => ({ run, session, agent: 'orders', input: 'i' })

function tryOr(attempt: () => unknown): unknown {
  try {
    return attempt()
  } catch (error) {
    return String(error)
  }
}

const run = (command: string, ...args: string[]): void => void execFileSync(command, args, { stdio: 'ignore' })

/** A file system of that size, or null where this process may not mount one. */
function mountTmpfs(sizeBytes: number): string | null {
  const folder = freshFolder()
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder)
  } catch {
    return null
  }
  onTestFinished(() => run('umount', folder))
  return folder
}

function fillDisk(file: string): void {
  for (let size = 1_048_576; size >= 1; size = Math.floor(size / 2)) {
    const chunk = new Uint8Array(size)
    try {
      for (;;) writeFileSync(file, chunk, { flag: 'a' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}

/** Gives what asks the process; it is ended with the test. */
function startProcess(): (task: StoreTask) => Promise<unknown> {
  const child: ChildProcess = fork(new URL('./contract/store-process.ts', import.meta.url), { execArgv: [] })
  onTestFinished(async () => {
    if (child.exitCode !== null) return
    const gone = once(child, 'exit')
    child.kill()
    await gone
  })
  return async (task) => {
    child.send(task)
    const [answer] = (await once(child, 'message')) as [{ result?: unknown; error?: string }]
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.result
  }
}
