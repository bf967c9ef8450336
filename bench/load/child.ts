/**
 * One process of one system: `child.ts SYSTEM ROLE [taped]`, where the role is server, agent or viewer. With `taped`, clients
 * write beforehand and read afterwards (`tape.ts`).
 */
import { polylogue, polylogueInMemory, polylogueLogged, polylogueUnguarded } from '../systems/polylogue.ts'
import { sse } from '../systems/sse.ts'
import { stock, synced } from '../systems/stock.ts'
import type { Address, System, Write } from '../systems/system.ts'
import { answer } from './children.ts'
import { now } from './clock.ts'
import { hold, installTape, keep, listenAgain, play, quiet, stopListening, tapedNow } from './tape.ts'
import { tokenAt } from './tokens.ts'

const SYSTEMS: Readonly<Record<string, System>> = {
  sse,
  stock,
  synced,
  polylogue,
  logged: polylogueLogged,
  memory: polylogueInMemory,
  unguarded: polylogueUnguarded,
}

const [name = '', role, mode] = process.argv.slice(2)
const taped = mode === 'taped'
const system = SYSTEMS[name]
if (system === undefined) throw new Error(`There is no system ${name}.`)
if (taped) installTape()
if (role === 'server') answerServer(system)
else if (role === 'agent') answerAgent(system)
else answerViewer(system)

/** CPU of this process with all its threads, in microseconds. */
function cpu(): number {
  const { user, system: kernel } = process.cpuUsage()
  return user + kernel
}

function answerServer({ server }: System): void {
  answer({ cpu, start: () => server().start() })
}

function answerAgent({ agent }: System): void {
  let open = agent({ eachAlone: taped })
  let writers: Write[] = []
  let sends: (() => void)[][] = []
  answer({
    cpu,
    async open(address: Address, sessions: readonly string[]) {
      writers.push(...(await open.open(address, sessions)))
    },
    /** Must come before `stream`. */
    async prepare(tokens: number) {
      if (taped) sends = await prepare(writers, tokens)
    },
    stream: (perSecond: number, tokens: number) => {
      const write = taped
        ? (session: number, token: number): void => sends[session]?.[token]?.()
        : (session: number, token: number): void => writers[session]?.(tokenAt(token))
      return stream(writers.length, write, perSecond, tokens)
    },
    async close() {
      listenAgain()
      await open.close()
      open = agent({ eachAlone: taped })
      writers = []
      sends = []
    },
  })
}

/** Writes all tokens of all sessions, and keeps what that makes the clients send. */
async function prepare(writers: readonly Write[], tokens: number): Promise<(() => void)[][]> {
  const sends: (() => void)[][] = []
  for (const write of writers) {
    const ofSession: (() => void)[] = []
    for (let token = 0; token < tokens; token++) ofSession.push(await hold(() => write(tokenAt(token))))
    sends.push(ofSession)
  }
  stopListening()
  return sends
}

/**
 * Streams `tokens` tokens per session at an even pace, with the sessions' turns spread at random over the pace. Resolves with
 * the times of the writes, session after session.
 */
async function stream(
  sessions: number,
  write: (session: number, token: number) => void,
  perSecond: number,
  tokens: number,
): Promise<Float64Array> {
  const times = new Float64Array(sessions * tokens)
  const periodMs = 1000 / perSecond
  const turns = Array.from({ length: sessions }, (_, session) => ({ session, offsetMs: Math.random() * periodMs }))
  turns.sort((a, b) => a.offsetMs - b.offsetMs)
  const startMs = now() + 50
  for (let token = 0; token < tokens; token++) {
    for (const { session, offsetMs } of turns) {
      const waitMs = startMs + token * periodMs + offsetMs - now()
      if (waitMs > 0.5) await new Promise((resolve) => setTimeout(resolve, waitMs))
      times[session * tokens + token] = now()
      write(session, token)
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
      seen.push(...sessions.map(() => []))
      await open.open(address, sessions, first, (session, chars) => seen[session]?.push(tapedNow(), chars))
    },
    prepare() {
      if (taped) keep()
    },
    /** Resolves when every session shows at least that much, when nothing more comes, or after `timeoutMs`. */
    async complete(chars: number, timeoutMs: number) {
      if (taped) return await quiet(500, timeoutMs)
      const deadlineMs = now() + timeoutMs
      const isComplete = (): boolean => seen.every((log) => (log.at(-1) ?? 0) >= chars)
      while (!isComplete() && now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20))
    },
    seen() {
      if (taped) play()
      return seen.map((log) => Float64Array.from(log))
    },
    async close() {
      await open.close()
      open = viewer()
      opened = 0
      seen = []
    },
  })
}
