/**
 * A WebSocket for clients that must cost next to nothing while they are measured against: two clients take more CPU than the
 * server between them, and would be what a capacity test finds. The clients stay what they are; only their frames are held.
 *
 *   agent    writes all its tokens beforehand; the frames that this makes are kept, and sent in time, one token's after the other
 *   viewer   keeps the frames that arrive, with their times, and reads them afterwards
 */
import { WebSocket } from 'ws'
import { now } from './clock.ts'

type Listener = (event: { data: unknown }) => void

interface Kept {
  readonly at: number
  readonly deliver: () => void
}

interface Frame {
  readonly socket: TapedSocket
  readonly data: Parameters<WebSocket['send']>[0]
}

/** Frames that are written go here instead of out. */
let held: Frame[] | null = null
/** Frames that arrive are kept here for later; `deaf` drops them. */
let kept: Kept[] | null = null
let deaf = false
let lastArrivalMs = 0
/** The time that `tapedNow` gives while a kept frame is read. */
let playedMs: number | null = null

export class TapedSocket extends WebSocket {
  override send(data: Parameters<WebSocket['send']>[0]): void {
    if (held === null) super.send(data)
    else held.push({ socket: this, data })
  }

  sendNow(data: Parameters<WebSocket['send']>[0]): void {
    super.send(data)
  }

  /** Of the overloads, only the one for messages matters here. */
  override addEventListener(type: any, listener: any): void {
    if (type !== 'message') return super.addEventListener(type, listener)
    super.addEventListener('message', (event) => {
      lastArrivalMs = now()
      if (kept !== null) kept.push({ at: lastArrivalMs, deliver: () => (listener as Listener)(event) })
      else if (!deaf) (listener as Listener)(event)
    })
  }
}

/** From now on the clients of this process use sockets of this kind. */
export function installTape(): void {
  globalThis.WebSocket = TapedSocket as unknown as typeof WebSocket & typeof globalThis.WebSocket
}

/** The time, or that at which the frame that is being read arrived. */
export function tapedNow(): number {
  return playedMs ?? now()
}

/** Gives a function that sends what `write` makes its client send. */
export async function hold(write: () => void): Promise<() => void> {
  held = []
  write()
  // A client may put its frames together in microtasks of its own.
  await new Promise((resolve) => setImmediate(resolve))
  const frames = held
  held = null
  return () => {
    for (const { socket, data } of frames) socket.sendNow(data)
  }
}

/** Drops what arrives: acknowledgements, and what a server echoes. */
export function stopListening(): void {
  deaf = true
}

export function listenAgain(): void {
  deaf = false
}

/** Keeps what arrives. */
export function keep(): void {
  kept = []
  lastArrivalMs = now()
}

/** Resolves when nothing has arrived for `quietMs`, or after `timeoutMs`. */
export async function quiet(quietMs: number, timeoutMs: number): Promise<void> {
  const deadlineMs = now() + timeoutMs
  while (now() - lastArrivalMs < quietMs && now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Lets the clients read what was kept. */
export function play(): void {
  const frames = kept ?? []
  kept = null
  for (const { at, deliver } of frames) {
    playedMs = at
    deliver()
  }
  playedMs = null
}
