/** The medium fails under a running server: no space, no lock, damaged rows. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { memoryStore } from '../../server/index.ts'
import { startAgent } from '../support/agent.ts'
import { begun, startAgentProcess } from '../support/agent-process.ts'
import { openClient, openLive, replyTo, texts, tokensOf } from '../support/clients.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { serveHere } from '../support/in-process.ts'
import { recover } from '../support/recovered.ts'
import { ServerProcess } from '../support/server.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { until } from '../support/wait.ts'

/** Shorter than the medium fails, so that leases would lapse if that counted as a worker's silence. */
const LEASE_MS = 1_500
const FAILING_MS = 2_500

interface Medium {
  readonly url: string
  /** Nothing can be stored from now on. */
  readonly fail: () => void
  readonly heal: () => void
}

/** What everybody sees of a medium that fails for a while, with an agent at work all the time. */
async function failAndHeal({ url, fail, heal }: Medium): Promise<string[]> {
  const ada = await openLive({ url, id: 's' })
  const bob = await openLive({ url, id: 's', as: 'bob' })
  const agent = await startAgentProcess({ url, name: 'assistant' })
  const long = ada.send('tokens=700 every=5')
  await until(() => replyTo(bob, long, 'assistant').length > 50)

  fail()
  const failedAt = performance.now()
  const sent = [ada.send('first', { to: [] })]
  // What is allocated already may still take a few.
  await until(
    async () => {
      if (ada.status.stalled && bob.status.stalled) return true
      sent.push(ada.send(`more ${'x'.repeat(20_000)}`, { to: [] }))
      await new Promise((resolve) => setTimeout(resolve, 50))
      return false
    },
    { timeoutMs: 15_000, what: 'both to be told that nothing is stored' },
  )
  const held = ada.send('tokens=3')
  sent.push(held)
  let isStored = false
  void ada.stored().then(() => (isStored = true))
  const carl = await openClient({ url, id: 's', as: 'carl' })
  await until(() => carl.status.stalled, { what: 'a newcomer to be told as well' })
  const health = url.replace('ws:', 'http:').replace('/sync', '/health')
  expect((await fetch(health)).status).toBe(503)
  const shown = replyTo(bob, long, 'assistant')
  await until(() => {
    expect([isStored, ada.status.onServer, ada.delivery(held)]).toEqual([false, false, 'sending'])
    for (const other of [bob, carl]) expect(other.message(held)).toBeUndefined()
    expect(replyTo(bob, long, 'assistant')).toBe(shown)
    return performance.now() - failedAt > FAILING_MS
  })

  heal()
  await until(() => isStored && ada.status.onServer, { timeoutMs: 15_000, what: 'all to be stored' })
  await until(() => [bob, carl].every((other) => other.message(held) !== undefined && !other.status.stalled))
  expect(ada.status.stalled).toBe(false)
  await until(() => ada.run(`${held}.assistant`)?.status === 'complete', { timeoutMs: 20_000 })
  for (const session of [ada, bob, carl]) {
    await until(() => replyTo(session, held, 'assistant') === tokensOf('assistant', 3))
    expect(session.run(`${long}.assistant`)?.status).toBe('complete')
    expect(replyTo(session, long, 'assistant')).toBe(tokensOf('assistant', 700))
  }
  expect(await begun(agent, 2)).toEqual([`${long}.assistant`, `${held}.assistant`])
  expect(texts(carl)).toEqual(texts(ada))
  return [long, ...sent]
}

const FOLDER_BYTES = 4 * 1024 * 1024

/** A file system of that size; null where this process may not mount one. */
function smallFileSystem(): string | null {
  const folder = join(temporaryFolder(), 'small')
  mkdirSync(folder)
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${FOLDER_BYTES}`, 'tmpfs', folder])
  if (status !== 0) return null
  onTestFinished(() => void spawnSync('umount', ['-l', folder]))
  return folder
}

test('[K2] the disk is full: nothing is acknowledged or shown, all are told, and it goes on by itself (LOG-1, LOG-2)', async ({
  skip,
}) => {
  const folder = smallFileSystem()
  if (folder === null) return skip('only root may mount a small file system')
  const server = await ServerProcess.start({ file: join(folder, 'sessions.db'), leaseMs: LEASE_MS })
  const filler = join(folder, 'filler')
  const fail = (): void => {
    for (const bytes of [65_536, 4_096, 1]) {
      try {
        for (;;) appendFileSync(filler, Buffer.alloc(bytes))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    }
  }
  const sent = await failAndHeal({ url: server.url, fail, heal: () => rmSync(filler) })
  await server.kill()
  const { view } = (await recover(server.file, ['s'])).get('s')!
  expect(view.messages.map(({ id }) => id)).toEqual(expect.arrayContaining(sent))
})

test('[K2] the database is locked by another process: the same (LOG-1, LOG-2)', async () => {
  const server = await ServerProcess.start({ leaseMs: LEASE_MS })
  const other = new DatabaseSync(server.file, { timeout: 10_000 })
  onTestFinished(() => other.close())
  const heal = (): void => other.exec('rollback')
  const sent = await failAndHeal({ url: server.url, fail: () => other.exec('begin exclusive'), heal })
  await server.kill()
  const { view } = (await recover(server.file, ['s'])).get('s')!
  expect(view.messages.map(({ id }) => id)).toEqual(expect.arrayContaining(sent))
})

test('[K2] a store that rejects every write for a while: the same (LOG-1, LOG-2)', async () => {
  const faulty = new FaultyStore(memoryStore())
  const server = await serveHere({ store: faulty.store, leaseMs: LEASE_MS })
  const fail = (): void => void (faulty.appendError = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
  await failAndHeal({ url: server.url, fail, heal: () => (faulty.appendError = null) })
  // One report when it began, not one for each try.
  expect(server.reported.filter(({ stage }) => stage === 'commit').length).toBe(1)
  expect(faulty.failedAppends).toBeGreaterThan(1)
})

test('[K2] an input that could not be given to a worker, since the store was locked, is given to it later (RUN-3)', async () => {
  const faulty = new FaultyStore(memoryStore())
  const server = await serveHere({ store: faulty.store })
  const { runs } = await startAgent({ url: server.url })
  const ada = await openLive({ url: server.url, id: 's' })
  faulty.failingClaims = 1
  const input = ada.send('hello')
  await until(() => ada.run(`${input}.assistant`)?.status === 'complete')
  expect([faulty.failingClaims, runs.length]).toEqual([0, 1])
  expect(server.reported.map(({ stage }) => stage)).toEqual(['assign'])
})

/** Ways in which the rows of the session `bad` can be wrong. */
const DAMAGE: Record<string, (db: DatabaseSync, session: number) => void> = {
  'a row with a flipped bit': (db, session) => {
    const { data } = db.prepare('select data from updates where session = ? and seq = 2').get(session) as { data: Uint8Array }
    data[data.length - 1]! ^= 1
    db.prepare('update updates set data = ? where session = ? and seq = 2').run(data, session)
  },
  'a row that is gone': (db, session) => void db.prepare('delete from updates where session = ? and seq = 2').run(session),
  'a row of something else, with the right checksum': (db, session) => {
    const data = Buffer.from('this is no update')
    db.prepare('update updates set data = ?, sum = ? where session = ? and seq = 2').run(data, crc32(data, 2) | 0, session)
  },
}

test.each(Object.entries(DAMAGE))(
  '[K3] %s: that session is refused as damaged, all others are as ever (LOG-4)',
  async (_title, damage) => {
    const server = await ServerProcess.start({ leaseMs: 1_000 })
    const agent = await startAgentProcess({ url: server.url, name: 'assistant' })
    for (const id of ['bad', 'good']) {
      const session = await openLive({ url: server.url, id })
      for (const text of ['one', 'two', 'three']) {
        session.send(text, { to: [] })
        await session.stored()
      }
      // In each a run that its worker leaves behind, so that the server itself has to open the session.
      session.send('tokens=100000 every=5')
      await until(() => session.view.runs[0]?.status === 'active')
      await session.close()
    }
    await server.kill()
    await agent.kill()
    const db = new DatabaseSync(server.file)
    onTestFinished(() => db.close())
    const session = (db.prepare(`select id from sessions where name = 'bad'`).get() as { id: number }).id
    damage(db, session)
    const rows = db.prepare('select * from updates where session = ? order by seq')
    const before = rows.all(session)

    await server.start()
    const bad = await openClient({ url: server.url, id: 'bad' })
    await until(() => bad.status.connection === 'refused')
    expect(bad.status.reason).toBe('damaged')
    const good = await openLive({ url: server.url, id: 'good' })
    await until(() => good.view.runs[0]?.status === 'interrupted', { timeoutMs: 10_000 })
    await startAgentProcess({ url: server.url, name: 'assistant' })
    const next = good.send('tokens=5')
    await until(() => good.run(`${next}.assistant`)?.status === 'complete', { timeoutMs: 10_000 })
    expect(replyTo(good, next, 'assistant')).toBe(tokensOf('assistant', 5))
    expect(texts(good).slice(0, 3)).toEqual(['one', 'two', 'three'])
    // The user's own copy is not taken away, and the rows are there to be examined; those of the tail have come to them.
    expect(bad.send('kept here')).toBe(bad.messageIds.at(-1))
    expect(rows.all(session).slice(0, before.length)).toEqual(before)
  },
)

test('[K3] pages that break under a session in use: it is refused as damaged, the others’ writes go on (LOG-4)', async () => {
  const server = await ServerProcess.start()
  // In this order, so that the last page of the table holds rows of the second session only.
  const good = await openLive({ url: server.url, id: 'good' })
  good.send('hello', { to: [] })
  await good.stored()
  const bad = await openLive({ url: server.url, id: 'bad' })
  for (let n = 0; n < 60; n++) {
    bad.send(`needle ${'x'.repeat(300)}`, { to: [] })
    await bad.stored()
  }
  const db = new DatabaseSync(server.file)
  onTestFinished(() => db.close())
  // Until the tables have them, they lie in the tail, and only pages of the tables can break.
  const inTables = db.prepare(`select count(*) as count from updates where instr(data, 'needle') > 0`)
  await until(() => inTables.get()?.['count'] === 60)
  db.exec('pragma wal_checkpoint(truncate)')
  const content = readFileSync(server.file)
  const page = Math.floor(content.lastIndexOf('needle') / 4096)
  expect(page).toBeGreaterThan(0)
  content.fill(0xff, page * 4096, (page + 1) * 4096)
  writeFileSync(server.file, content)
  // What the server has cached counts no more once another connection has written.
  db.exec('create table other (n integer)')

  // What comes before the tables have been tried is stored beside them, and kept there.
  const sent: string[] = []
  await until(() => {
    sent.push(bad.send(`into a broken page ${sent.length}`, { to: [] }))
    return bad.status.connection === 'refused'
  })
  expect(bad.status.reason).toBe('damaged')
  expect(bad.delivery(sent.at(-1) ?? '')).not.toBe('sent')
  expect(texts(bad).at(-1)).toBe(`into a broken page ${sent.length - 1}`)
  const aside = db
    .prepare('select data from strays')
    .all()
    .map((row) => Buffer.from(row['data'] as Uint8Array).toString('latin1'))
  const acknowledged = sent.flatMap((id, n) => (bad.delivery(id) === 'sent' ? [`into a broken page ${n}`] : []))
  expect(acknowledged.filter((text) => !aside.some((data) => data.includes(text)))).toEqual([])
  const kept = good.send('as ever', { to: [] })
  await until(() => good.delivery(kept) === 'sent')
  expect((await server.health()).status).toBe('ok')
  const again = await openClient({ url: server.url, id: 'bad', as: 'bob' })
  await until(() => again.status.connection === 'refused')
  expect([again.status.reason, texts(again)]).toEqual(['damaged', []])
})
