/** Child processes that answer calls: `start` in the parent, `answer` in the child. */
import { fork } from 'node:child_process'

interface Call {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}

interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

export interface Child {
  call<T>(method: string, ...args: unknown[]): Promise<T>
  /** Ends the process, and resolves when it is gone. */
  end(): Promise<void>
}

/** A child that does not end by itself is killed after this time. */
const END_TIMEOUT_MS = 3_000

const children = new Set<Child>()

/** Starts `file` in a process of its own. */
export function start(file: URL, args: readonly string[], execArgv: readonly string[] = []): Child {
  const process = fork(file, [...args], { execArgv: [...execArgv], serialization: 'advanced' })
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let calls = 0
  process.on('message', (message) => {
    const { id, value, error } = message as Reply
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(value)
    else call?.reject(new Error(`${args.join(' ')}: ${error}`))
  })
  const gone = new Promise<void>((resolve) => process.once('exit', () => resolve()))
  void gone.then(() => {
    for (const call of waiting.values()) call.reject(new Error(`${args.join(' ')} ended with code ${process.exitCode}.`))
  })
  const child: Child = {
    call: <T>(method: string, ...rest: unknown[]) =>
      new Promise<T>((resolve, reject) => {
        const id = ++calls
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
        process.send({ id, method, args: rest } satisfies Call, (error) => error && reject(error))
      }),
    async end() {
      children.delete(child)
      if (process.exitCode !== null || process.signalCode !== null) return
      // The child takes the end of the channel for its own; then it can still write a profile.
      if (process.connected) process.disconnect()
      const timer = setTimeout(() => process.kill('SIGKILL'), END_TIMEOUT_MS)
      await gone
      clearTimeout(timer)
    },
  }
  children.add(child)
  return child
}

/** Ends every child that is still there. */
export async function endAll(): Promise<void> {
  await Promise.all([...children].map((child) => child.end()))
}

/** In the child: gives each call to the method of its name, and ends with the parent. */
export function answer(methods: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  process.on('disconnect', () => process.exit())
  process.on('message', (message) => {
    const { id, method, args } = message as Call
    void (async () => {
      try {
        const value = await methods[method]?.(...(args as never[]))
        process.send?.({ id, value } satisfies Reply)
      } catch (error) {
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) } satisfies Reply)
      }
    })()
  })
}
