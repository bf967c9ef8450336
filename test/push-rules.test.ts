/** What people are told by push, and whom: the decisions alone. */
import { describe, expect, test } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { guardedLookup, objectionTo, PrivateAddress } from '../server/push-endpoint.ts'
import {
  decideOnMessage,
  decideOnRun,
  payloadOf,
  readAnswer,
  recipients,
  retryNotice,
  type RunFacts,
} from '../server/push-rules.ts'
import { PushSites, siteOf } from '../server/push-sites.ts'
import { PushTurns } from '../server/push-turns.ts'
import { Visibility } from '../server/push-visibility.ts'
import type { Notice, Subscriber } from '../server/store.ts'
import type { Participant } from '../shared/participant.ts'
import { RUN_STATUSES } from '../shared/run.ts'

const run = (facts: Partial<RunFacts>): RunFacts => ({
  id: 'r',
  isChild: false,
  status: 'active',
  asksApproval: false,
  asker: 'ada',
  message: 'm',
  ...facts,
})
const notice = (more: Partial<Notice> = {}): Notice => ({
  session: 's',
  id: 'r',
  kind: 'done',
  to: 'ada',
  message: 'm',
  run: 'r',
  at: 1_000,
  dueAt: 6_000,
  until: 100_000,
  ...more,
})
const device = (participant: string, kind: Subscriber['kind'] = 'user', endpoint = `of ${participant}`): Subscriber => {
  return { session: 's', participant, kind, endpoint, p256dh: '', auth: '' }
}

test('the end of a run is told to whoever asked for it, unless it was cancelled; of its going on nothing (PSH-1)', () => {
  const kinds = RUN_STATUSES.map((status) => {
    const decision = decideOnRun(run({ status }))
    return [status, decision === null ? null : 'keep' in decision ? `${decision.keep.kind} to ${decision.keep.to}` : 'drop']
  })
  expect(Object.fromEntries(kinds)).toEqual({
    pending: null,
    active: 'drop',
    suspended: 'drop',
    complete: 'done to ada',
    cancelled: 'drop',
    error: 'failed to ada',
    interrupted: 'failed to ada',
  })
  // What goes on takes back that it waits, and not that it has ended.
  expect(decideOnRun(run({ status: 'active' }))).toEqual({ drop: 'r', only: 'approval' })
})

test('a run that waits for a yes is told to all who may give it, in the name of the first run; the end of a child to nobody (PSH-1)', () => {
  const waits = decideOnRun(run({ status: 'suspended', asksApproval: true, isChild: true }))
  expect(waits).toEqual({ keep: { id: 'r', kind: 'approval', to: null, message: 'm', run: 'r' } })
  for (const status of ['complete', 'error', 'cancelled'] as const) {
    expect(decideOnRun(run({ status, isChild: true }))).toEqual({ drop: 'r', only: 'approval' })
  }
})

test('what a person writes is told to the other side, and no line without text (PSH-1)', () => {
  const [ada, sue]: Participant[] = [
    { id: 'ada', kind: 'user', name: 'Ada' },
    { id: 'sue', kind: 'support', name: 'Sue' },
  ]
  const held = { state: 'human', by: 'sue', at: 1 } as const
  expect(decideOnMessage(sue!, 'm', true, held)).toMatchObject({ keep: { kind: 'person', to: null, run: null } })
  expect(decideOnMessage(sue!, 'm', false, held)).toBeNull()
  expect(decideOnMessage(ada!, 'm', true, held)).toMatchObject({ keep: { to: 'sue' } })
  expect(decideOnMessage(ada!, 'm', true, { state: 'agents' })).toBeNull()
})

test('of the subscribers those are told whom it concerns and who have seen no window since (PSH-1, PSH-2)', () => {
  const all = [device('ada'), device('ada', 'user', 'phone'), device('bob'), device('sue', 'support'), device('eve', 'viewer')]
  const told = (what: Partial<Notice>, seen: Readonly<Record<string, number>> = {}): string[] =>
    recipients(notice(what), all, (id) => seen[id] ?? 0).map(({ endpoint }) => endpoint)
  expect(told({})).toEqual(['of ada', 'phone'])
  expect(told({ to: null, kind: 'approval' })).toEqual(['of ada', 'phone', 'of bob', 'of sue'])
  expect(told({ to: null, kind: 'person' })).toEqual(['of ada', 'phone', 'of bob'])
  expect(told({}, { ada: 999 })).toEqual(['of ada', 'phone'])
  expect(told({}, { ada: 1_000 })).toEqual([])
  expect(told({ to: null, kind: 'approval' }, { ada: Number.POSITIVE_INFINITY })).toEqual(['of bob', 'of sue'])
  expect(told({ again: { endpoints: ['phone'], tries: 1 } })).toEqual(['phone'])
})

test('a window is in sight while some tab shows so, in whatever session, and when it was last (PSH-2)', () => {
  let now = 100
  const visibility = new Visibility(() => now)
  const ada = { id: 'ada', kind: 'user', name: 'Ada' }
  const [a, b] = [new Awareness(new Y.Doc()), new Awareness(new Y.Doc())]
  a.setLocalState({ participant: ada, visible: true })
  const unwatch = [a, b].map((awareness) => visibility.watch(awareness))
  expect(visibility.lastSeenAt('ada')).toBe(Number.POSITIVE_INFINITY)
  b.setLocalState({ participant: ada, visible: true })
  a.setLocalState({ participant: ada, visible: false })
  expect(visibility.lastSeenAt('ada')).toBe(Number.POSITIVE_INFINITY)
  now = 200
  b.setLocalState(null)
  expect(visibility.lastSeenAt('ada')).toBe(200)
  // One that says nothing is not in sight.
  b.setLocalState({ participant: ada })
  expect(visibility.lastSeenAt('ada')).toBe(200)
  a.setLocalState({ participant: ada, visible: true })
  now = 300
  for (const end of unwatch) end()
  expect([visibility.lastSeenAt('ada'), visibility.lastSeenAt('bob')]).toEqual([300, 0])
  for (const awareness of [a, b]) awareness.destroy()
})

test('what a push service answers: given up, later, or refused (PSH-6)', () => {
  const kinds = [200, 201, 202, 404, 410, 429, 500, 503, 301, 400, 401, 403, 413].map(
    (status) => `${status} ${readAnswer(status, undefined, 0).kind}`,
  )
  expect(kinds).toEqual(
    `200 sent,201 sent,202 sent,404 gone,410 gone,429 later,500 later,503 later,301 refused,400 refused,401 refused,403 refused,413 refused`.split(
      ',',
    ),
  )
  const at = Date.parse('2026-11-26T12:00:00Z')
  expect(readAnswer(429, '120', at)).toMatchObject({ afterMs: 120_000 })
  expect(readAnswer(503, 'Thu, 26 Nov 2026 12:00:30 GMT', at)).toMatchObject({ afterMs: 30_000 })
  expect(readAnswer(503, 'soon', at)).toMatchObject({ afterMs: null })
})

test('another try backs off, not before the service says, and not after it is of no use (PSH-6)', () => {
  const again = (afterMs: number | null, endpoint = 'a') => ({ endpoint, afterMs })
  const first = retryNotice(notice(), [again(null)], 10_000)
  expect(first).toMatchObject({ dueAt: 11_000, again: { endpoints: ['a'], tries: 1 } })
  expect(retryNotice(first!, [again(null)], 20_000)).toMatchObject({ dueAt: 22_000, again: { tries: 2 } })
  expect(retryNotice(notice(), [again(60_000)], 10_000)).toMatchObject({ dueAt: 70_000 })
  expect(retryNotice(notice(), [again(90_000)], 10_000)).toBeNull()
  expect(retryNotice(notice({ again: { endpoints: ['a'], tries: 12 } }), [again(null)], 0)).toBeNull()
})

test('a push service that asks for a long pause puts off its own endpoints alone (PSH-6)', () => {
  const retry = retryNotice(
    notice(),
    [
      { endpoint: 'slow', afterMs: 60_000 },
      { endpoint: 'quick', afterMs: null },
      { endpoint: 'never', afterMs: 86_400_000 },
    ],
    10_000,
  )
  expect(retry).toMatchObject({ dueAt: 11_000, again: { endpoints: ['slow', 'quick'], notBefore: { slow: 70_000 } } })
})

describe('push services share what there is (PSH-8)', () => {
  test('one that lets the server wait has ever fewer calls, one that is quick ever more, and others have their own', () => {
    let now = 0
    const sites = new PushSites(() => now)
    const take = (site: string): (() => void)[] => {
      const calls: (() => void)[] = []
      for (let end = sites.begin(site); end !== null; end = sites.begin(site)) calls.push(end)
      return calls
    }
    const slow = take('slow')
    expect(slow.length).toBe(8)
    expect(sites.roomOf('other')).toBe(8)
    now = 10_000
    for (const end of [...slow, ...slow]) end()
    expect(take('slow').length).toBe(2)
    for (let n = 0; n < 200; n++) sites.begin('quick')?.()
    const quick = take('quick')
    expect(quick.length).toBe(96)
    // Of all there is, there is always some for those who have little.
    expect(take('other').length).toBe(8)
    expect(take('more').length + take('most').length + take('last').length).toBe(22)
    expect(sites.roomOf('nobody')).toBe(0)
    quick[0]?.()
    expect(sites.roomOf('nobody')).toBe(1)
  })

  test('names of one domain are one site, and so are addresses without a name', () => {
    expect(siteOf('https://a.push.evil.example/1')).toBe(siteOf('https://b.EVIL.example./2'))
    expect(siteOf('https://[2606:4700::1]/x')).toBe(siteOf('https://8.8.8.8/y'))
    expect(siteOf('https://fcm.googleapis.com/x')).toBe('googleapis.com')
    expect(siteOf('http://127.0.0.1:81/x')).not.toBe(siteOf('http://127.0.0.1:82/x'))
  })

  test('sessions take turns, each a few times at once; what waits for a push service is due when there is room', () => {
    const turns = new PushTurns()
    const [a, b] = ['a', 'b'].map((session) => (n: number) => notice({ session, id: `${session}${n}` }))
    for (let n = 0; n < 6; n++) turns.add(a!(n))
    turns.add(b!(0))
    const taken: string[] = []
    for (let next = turns.next(); next !== undefined; next = turns.next()) taken.push(next.id)
    expect(taken).toEqual(['a0', 'b0', 'a1', 'a2', 'a3'])
    turns.done(a!(0))
    expect([turns.next()?.id, turns.next()]).toEqual(['a4', undefined])
    for (let n = 1; n < 4; n++) expect(turns.park(b!(n), 'site')).toBe(true)
    turns.unpark(() => 2)
    expect([turns.next()?.id, turns.next()?.id, turns.next()]).toEqual(['b1', 'b2', undefined])
    turns.unpark((site) => (site === 'site' ? 1 : 0))
    expect(turns.next()?.id).toBe('b3')
    for (let n = 0; n < 10_000; n++) turns.park(b!(n), 'full')
    expect(turns.park(b!(0), 'full')).toBe(false)
  })
})

test('a push says where it is and not what, unless the text is there; one tag for the run (PSH-4)', () => {
  const payload = { v: 1, kind: 'done', as: 'user', session: 's', message: 'm', run: 'r', tag: 'r', title: 'Ready', at: 1_000 }
  expect(payloadOf(notice(), 'user', 'Ready')).toEqual(payload)
  expect(payloadOf(notice({ text: 'Well' }), 'user', 'Ready')).toEqual({ ...payload, text: 'Well' })
  const person = payloadOf(notice({ id: 'person', kind: 'person', run: null }), 'support', 'Hello')
  expect([person.tag, 'run' in person]).toEqual(['s.person', false])
})

describe('where the server lets itself be sent (PSH-5)', () => {
  const rules = { loopback: false, mayPush: undefined }

  test.for([
    'https://fcm.googleapis.com/fcm/send/abc:def',
    'https://updates.push.services.mozilla.com/wpush/v2/x',
    'https://web.push.apple.com/QGuQ',
    'https://8.8.8.8/push',
    'https://[2606:4700::1]/push',
  ])('%s is taken', (endpoint) => {
    expect(objectionTo(endpoint, rules)).toBeNull()
  })

  test.for([
    'http://push.example.com/x',
    'ftp://push.example.com/x',
    'file:///etc/passwd',
    'https://push.example.com:8443/x',
    'https://user:word@push.example.com/x',
    'https://127.0.0.1/x',
    'https://127.1/x',
    'https://0x7f000001/x',
    'https://2130706433/x',
    'https://10.1.2.3/x',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/x',
    'https://[::ffff:10.0.0.1]/x',
    'https://[fd00::1]/x',
    'https://[fe80::1]/x',
    'https://[64:ff9b::7f00:1]/x',
    'https://[2002:7f00:1::]/x',
    'not an address',
    `https://push.example.com/${'x'.repeat(2_048)}`,
    null,
  ])('%s is not', (endpoint) => {
    expect(objectionTo(endpoint, rules)).toMatch(/\w/)
  })

  test('this machine only where that is allowed, and what the app says counts', () => {
    const local = { loopback: true, mayPush: undefined }
    const endpoints = ['http://127.0.0.1:9/x', 'https://[::1]:9/x', 'http://10.0.0.1/x', 'http://push.example.com/x']
    expect(endpoints.map((endpoint) => objectionTo(endpoint, local) === null)).toEqual([true, true, false, false])
    const mayPush = (url: URL): boolean => url.hostname.endsWith('.example.com')
    expect(objectionTo('https://a.example.com/x', { loopback: false, mayPush })).toBeNull()
    expect(objectionTo('https://example.org/x', { loopback: false, mayPush })).toMatch(/Nothing is pushed/)
  })
  test('a name that leads elsewhere is not called, whatever it led to before', async () => {
    const look = (name: string, loopback: boolean, all: boolean): Promise<unknown> =>
      new Promise((resolve) => guardedLookup(loopback)(name, { all }, (error, found) => resolve(error ?? found)))
    expect(await look('localhost', false, true)).toBeInstanceOf(PrivateAddress)
    expect(await look('localhost', false, false)).toBeInstanceOf(PrivateAddress)
    expect(['127.0.0.1', '::1']).toContain(await look('localhost', true, false))
    const all = await look('localhost', true, true)
    expect(all).toEqual(
      expect.arrayContaining([expect.objectContaining({ address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/) })]),
    )
  })
})
