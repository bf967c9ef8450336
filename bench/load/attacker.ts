/** The process of an attacker: `prepare` an attack, `begin` it, `stop` it. It stops by itself after a minute. */
import { constants, setPriority } from 'node:os'
import { prepare, type Attack, type AttackName, type Target } from './attacks.ts'
import { answer } from './children.ts'
import type { RawSocket } from './raw-socket.ts'

const LONGEST_MS = 60_000

// A real one has a machine of his own. Here he takes what the others leave of theirs: what he costs is then the server's work.
setPriority(constants.priority.PRIORITY_LOW)

let attack: Attack | null = null
let attacking: Promise<number> | null = null
let stopped = false

/** Gives how often it has struck. */
async function run({ strike, everyMs, sockets: most }: Attack): Promise<number> {
  const deadlineMs = performance.now() + LONGEST_MS
  const open: RawSocket[] = []
  let strikes = 0
  while (!stopped && performance.now() < deadlineMs) {
    open.push(...(await strike()))
    strikes += 1
    for (const socket of open.splice(0, Math.max(0, open.length - most))) socket.end()
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
  for (const socket of open) socket.end()
  return strikes
}

answer({
  async prepare(name: AttackName, target: Target) {
    attack = await prepare(name, target)
  },
  begin() {
    stopped = false
    if (attack !== null) attacking = run(attack)
  },
  async stop() {
    stopped = true
    return (await attacking) ?? 0
  },
})
