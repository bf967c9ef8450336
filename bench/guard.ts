/**
 * What the guard costs: checking and applying, as a multiple of applying alone, in CPU time of one thread.
 *
 *   node bench/guard.ts [--rounds N]
 */
import { parseArgs } from 'node:util'
import * as Y from 'yjs'
// The guard is an inner part that the package does not export; what the whole server costs is measured by `token.ts`.
// oxlint-disable no-restricted-imports
import { Bindings } from '../server/guard/bindings.ts'
import { Guard, type Sender } from '../server/guard/guard.ts'
import { rootsOf } from '../shared/layout.ts'
import { MessageWriter } from '../shared/part-writer.ts'
// oxlint-enable no-restricted-imports
import { median, spread } from './load/statistics.ts'
import { isMain, printRows, type Row } from './report.ts'

const TOKENS = 20_000
const OFFLINE_MESSAGES = 2_500
const AGENT: Sender = { participant: { id: 'bot', kind: 'agent', name: 'Bot' }, worker: 'w' }
const USER: Sender = { participant: { id: 'ada', kind: 'user', name: 'Ada' }, worker: null }

interface Case {
  readonly sender: Sender
  readonly state: Uint8Array
  readonly updates: readonly Uint8Array[]
}

/** Interleaved rounds after two that only warm up. */
export function benchGuard(rounds: number): Row[] {
  return [
    ratioOf('guard: token checked and applied, × applied', tokens(), rounds, 1.25),
    ratioOf('guard: offline merge of 10,000 structs, × applied', merge(), rounds * 3, 2),
  ]
}

function ratioOf(what: string, each: Case, rounds: number, budget: number): Row {
  const ratios: number[] = []
  for (let round = -2; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? [true, false] : [false, true]
    const times = { [String(first)]: time(each, first), [String(second)]: time(each, second) }
    if (round >= 0) ratios.push((times['true'] as number) / (times['false'] as number))
  }
  return { what, value: median(ratios), shown: spread(ratios), budget, better: 'less' }
}

/** CPU seconds of applying the updates. */
function time({ sender, state, updates }: Case, checked: boolean): number {
  const doc = new Y.Doc()
  rootsOf(doc)
  Y.applyUpdate(doc, state)
  // As the room does: somebody listens, so that each update is encoded again for the log.
  let bytes = 0
  doc.on('update', (update: Uint8Array) => (bytes += update.byteLength))
  const bindings = new Bindings()
  bindings.bind(2, 'bot')
  bindings.bind(3, 'ada')
  const guard = new Guard(doc, bindings)
  const before = process.threadCpuUsage()
  for (const update of updates) {
    if (!checked) {
      Y.applyUpdate(doc, update)
      continue
    }
    const verdict = guard.check(update, sender)
    if (!verdict.ok || verdict.update === null) throw new Error(`Refused: ${JSON.stringify(verdict)}`)
    Y.applyUpdate(doc, verdict.update)
    guard.confirm(verdict)
  }
  const { user, system } = process.threadCpuUsage(before)
  if (bytes === 0) throw new Error('Nothing was applied.')
  return user + system
}

function tokens(): Case {
  const doc = new Y.Doc()
  doc.clientID = 1
  const { tasks, messages } = rootsOf(doc)
  const run = new Y.Map<unknown>([
    ['head', { id: 'r', agent: 'bot', input: 'i' }],
    ['status', 'active'],
    ['lease', { worker: 'w', generation: 1 }],
  ])
  tasks.push([run])
  doc.clientID = 2
  const writer = new MessageWriter(messages, { id: 'm', role: 'assistant', by: 'bot', kind: 'agent', at: 1, run: 'r' })
  const text = writer.open({ type: 'text' })
  writer.append(text, 'So')
  doc.transact(() => writer.flush())
  const state = Y.encodeStateAsUpdate(doc)
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (let n = 0; n < TOKENS; n++) {
    writer.append(text, ` word${n % 100}`)
    doc.transact(() => writer.flush())
  }
  return { sender: AGENT, state, updates }
}

/** Four structs a message. */
function merge(): Case {
  const doc = new Y.Doc()
  doc.clientID = 3
  for (let n = 0; n < OFFLINE_MESSAGES; n++) {
    const writer = new MessageWriter(rootsOf(doc).messages, { id: `m${n}`, role: 'user', by: 'ada', kind: 'user', at: n })
    writer.add({ type: 'text', text: `message ${n}` })
    doc.transact(() => writer.flush())
  }
  return { sender: USER, state: Y.encodeStateAsUpdate(new Y.Doc()), updates: [Y.encodeStateAsUpdate(doc)] }
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } })
  printRows(benchGuard(Number(values.rounds)))
}
