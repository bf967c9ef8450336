/**
 * Programs of `test/fixtures/` as processes of their own. They hear and answer over IPC, and end when this process does.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inject, onTestFinished } from 'vitest'
import { bundled } from './bundling.ts'
import { until } from './wait.ts'

/** Halves the time that a program takes to load. */
const COMPILE_CACHE = join(tmpdir(), 'polylogue-compile-cache')

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  /** The program answers over IPC. Default: true. */
  readonly ipc?: boolean
  /** Where it runs. Default: where the tests do. */
  readonly cwd?: string
}

/** What a program says over IPC: `t` says what it is. */
export type ChildMessage = { readonly t: string; readonly [field: string]: unknown }

export class Child {
  readonly #process: ChildProcess
  readonly #name: string
  /** Resolves when the process is gone. */
  readonly ended: Promise<Exit>
  /** All that it has said over IPC so far. */
  readonly messages: ChildMessage[] = []
  #exit: Exit | null = null
  #stdout = ''
  #stderr = ''

  constructor(path: URL, args: readonly string[], options: ChildOptions) {
    const { env = {}, ipc = true, cwd } = options
    this.#name = path.pathname.split('/').at(-1) ?? ''
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc' as const] : [])]
    const child = spawn(process.execPath, [fileURLToPath(path), ...args], {
      stdio,
      cwd,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    })
    this.#process = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    child.on('message', (message) => this.messages.push(message as ChildMessage))
    this.ended = new Promise((resolve) => {
      child.on('error', (error) => (this.#stderr += String(error)))
      child.on('close', (code, signal) => resolve((this.#exit = { code, signal })))
    })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** How it ended; null while it runs. */
  get exit(): Exit | null {
    return this.#exit
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  send(message: ChildMessage): void {
    if (this.#process.connected) this.#process.send(message)
  }

  /** The first message of a kind, once it has come. Rejects with what the program printed when it ends before. */
  async said(t: string, timeoutMs = 20_000): Promise<ChildMessage> {
    const found = await until(() => this.messages.find((message) => message.t === t) ?? this.#exit, {
      timeoutMs,
      what: `${this.#name} to say ${t}`,
    })
    if ('t' in found) return found
    throw new Error(`${this.#name} ended before it said ${t}: ${JSON.stringify(found)}\n${this.#stderr}`)
  }

  /** Sends a question and resolves with the first answer of the same kind that comes after it. */
  async ask(message: ChildMessage): Promise<ChildMessage> {
    const from = this.messages.length
    this.send(message)
    return await until(() => this.messages.slice(from).find((answer) => answer.t === message.t), {
      what: `${this.#name} to answer ${message.t}`,
    })
  }

  /** Stops it where it is, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.#exit === null) this.#process.kill(signal)
  }

  /** Sends a signal, by default the one that nothing can catch, and resolves when the process is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    if (this.#exit === null) this.#process.kill(signal)
    return await this.ended
  }
}

/** Starts a program of `test/fixtures/` (or another one, by URL); it is killed when the test has ended. */
export function startChild(program: string | URL, args: readonly string[] = [], options: ChildOptions = {}): Child {
  const path = program instanceof URL ? program : fixture(program)
  const child = new Child(path, args, options)
  onTestFinished(async () => void (await child.kill()))
  return child
}

/** Where a program is: as one file, if that has been made for the tests that run (see `programs.ts`), or else its source. */
function fixture(program: string): URL {
  const made = bundled(inject('programs') ?? '', program)
  return existsSync(made) ? pathToFileURL(made) : new URL(`../fixtures/${program}`, import.meta.url)
}
