/** One process of one system: `child.ts SYSTEM ROLE`, where the role is server, agent or viewer. */
import { polylogue } from '../systems/polylogue.ts'
import { sse } from '../systems/sse.ts'
import { stock } from '../systems/stock.ts'
import type { Address, System, Write } from '../systems/system.ts'
import { answer } from './children.ts'
import { tokenAt } from './tokens.ts'

const SYSTEMS: Readonly<Record<string, System>> = { sse, stock, polylogue }

/** CPU of this process with all its threads, in microseconds. */
const cpu = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** A clock that all processes of the machine share, in milliseconds. */
const now = (): number => {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

const [name = '', role] = process.argv.slice(2)
const system = SYSTEMS[name]
if (system === undefined) throw new Error(`There is no system ${name}.`)
if (role === 'server') answerServer(system)
else if (role === 'agent') answerAgent(system)
else answerViewer(system)

function answerServer({ server }: System): void {
  answer({ cpu, start: () => server().start() })
}

function answerAgent({ agent }: System): void {
  let open = agent()
  let writers: Write[] = []
  answer({
    cpu,
    async open(address: Address, sessions: readonly string[]) {
      writers.push(...(await open.open(address, sessions)))
    },
    stream: (perSecond: number, tokens: number) => stream(writers, perSecond, tokens),
    async close() {
      await open.close()
      open = agent()
      writers = []
    },
  })
}

/**
 * Streams `tokens` tokens per session at an even pace, with the sessions' turns spread at random over the pace. Resolves with
 * the times of the writes, session after session.
 */
async function stream(writers: readonly Write[], perSecond: number, tokens: number): Promise<Float64Array> {
  const times = new Float64Array(writers.length * tokens)
  const periodMs = 1000 / perSecond
  const turns = writers
    .map((write, session) => ({ write, session, offsetMs: Math.random() * periodMs }))
    .sort((a, b) => a.offsetMs - b.offsetMs)
  const startMs = now() + 50
  for (let token = 0; token < tokens; token++) {
    for (const { write, session, offsetMs } of turns) {
      const waitMs = startMs + token * periodMs + offsetMs - now()
      if (waitMs > 0.5) await new Promise((resolve) => setTimeout(resolve, waitMs))
      times[session * tokens + token] = now()
      write(tokenAt(token))
    }
  }
  return times
}

function answerViewer({ viewer }: System): void {
  let open = viewer()
  let opened = 0
  /** Per session: pairs of the time and the length of its text. */
  let seen: number[][] = []
  answer({
    cpu,
    async open(address: Address, sessions: readonly string[]) {
      const first = opened
      opened += sessions.length
      for (const _ of sessions) seen.push([])
      await open.open(address, sessions, first, (session, chars) => seen[session]?.push(now(), chars))
    },
    /** How many sessions show at least that much. */
    complete: (chars: number) => seen.filter((log) => (log.at(-1) ?? 0) >= chars).length,
    seen: () => seen.map((log) => Float64Array.from(log)),
    async close() {
      await open.close()
      open = viewer()
      opened = 0
      seen = []
    },
  })
}
