/** A server in a process of its own that a test kills and starts again, on one port and one file. */
import { join } from 'node:path'
import type { ServerSettings } from '../fixtures/server.ts'
import { startChild, type Child, type Exit } from './child.ts'
import { temporaryFolder } from './temporary.ts'

export class ServerProcess {
  readonly #settings: ServerSettings
  #child: Child
  #next: Child | null = null
  #port = 0
  url = ''

  private constructor(settings: ServerSettings) {
    this.#settings = settings
    this.#child = this.#load()
  }

  /** Starts one; its file is in a new folder unless `settings` names another. */
  static async start(settings: Partial<ServerSettings> = {}): Promise<ServerProcess> {
    const server = new ServerProcess({ file: settings.file ?? join(temporaryFolder(), 'sessions.db'), ...settings })
    await server.#go()
    return server
  }

  get file(): string {
    return this.#settings.file
  }

  get child(): Child {
    return this.#child
  }

  /** Loads the process that `start` will use, so that nothing has to be loaded then. */
  prepare(): void {
    this.#next ??= this.#load()
  }

  /** Ends it with kill -9. */
  async kill(): Promise<Exit> {
    return await this.#child.kill('SIGKILL')
  }

  /** Starts it again on the same port. */
  async start(): Promise<void> {
    this.#child = this.#next ?? this.#load()
    this.#next = null
    await this.#go()
  }

  async health(): Promise<{ status: string; connections: number; sessions: number; stalled: boolean }> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/health`)
    return (await response.json()) as Awaited<ReturnType<ServerProcess['health']>>
  }

  #load(): Child {
    return startChild('server.ts', [JSON.stringify(this.#settings)])
  }

  async #go(): Promise<void> {
    await this.#child.said('loaded')
    this.#child.send({ t: 'go', port: this.#port })
    const { port, url } = await this.#child.said('listening')
    this.#port = port as number
    this.url = url as string
  }
}
