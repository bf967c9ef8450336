/**
 * A TCP proxy within the test's process, between clients and a server: it cuts connections, holds them (both ends take them
 * for open, nothing passes), delays them, and is down for a while, at one address all the time.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

class Pair {
  readonly #client: Socket
  readonly #server: Socket
  readonly #delayMs: () => number
  /** What waits while the connection is held. */
  #waiting: (() => void)[] | null = null

  constructor(client: Socket, server: Socket, delayMs: () => number) {
    this.#client = client
    this.#server = server
    this.#delayMs = delayMs
    this.#join(client, server)
    this.#join(server, client)
  }

  hold(): void {
    this.#waiting ??= []
  }

  release(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = null
    for (const pass of waiting) pass()
  }

  cut(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  #join(from: Socket, to: Socket): void {
    from.setNoDelay(true)
    from.on('error', () => from.destroy())
    from.on('data', (data) => this.#pass(() => void (to.writable && to.write(data))))
    from.on('close', () => this.#pass(() => void to.destroy()))
  }

  #pass(pass: () => void): void {
    const delayMs = this.#delayMs()
    // Timers of one length fire in the order in which they were set.
    if (delayMs > 0) setTimeout(() => this.#passNow(pass), delayMs)
    else this.#passNow(pass)
  }

  #passNow(pass: () => void): void {
    if (this.#waiting === null) pass()
    else this.#waiting.push(pass)
  }
}

export class ChaosProxy {
  /** The address for clients, with the path of the server's. */
  readonly url: string
  readonly #listener: Server
  readonly #target: URL
  readonly #pairs = new Map<Socket, Pair>()
  #down = false
  #delayMs = 0
  #accepted = 0

  private constructor(listener: Server, target: URL) {
    this.#listener = listener
    this.#target = target
    const url = new URL(target)
    url.port = String((listener.address() as AddressInfo).port)
    this.url = url.href
    listener.on('connection', (client) => this.#accept(client))
  }

  /** Starts one before a server; it ends with the test. */
  static async start(serverUrl: string): Promise<ChaosProxy> {
    const listener = createServer()
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const proxy = new ChaosProxy(listener, new URL(serverUrl))
    onTestFinished(() => proxy.#stop())
    return proxy
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#accepted
  }

  /** Connections that stand. */
  get open(): number {
    return this.#pairs.size
  }

  /** Ends every connection; new ones are taken. */
  cut(): void {
    for (const pair of this.#pairs.values()) pair.cut()
  }

  /** Ends every connection, and each new one at once, until `up`. */
  down(): void {
    this.#down = true
    this.cut()
  }

  get isDown(): boolean {
    return this.#down
  }

  up(): void {
    this.#down = false
  }

  /** Lets nothing pass any more on the connections that stand, without ending them; new ones are not held. */
  hold(): void {
    for (const pair of this.#pairs.values()) pair.hold()
  }

  /** Lets pass what was held. */
  release(): void {
    for (const pair of this.#pairs.values()) pair.release()
  }

  /** Delays what comes from now on, either way. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  #accept(client: Socket): void {
    this.#accepted += 1
    if (this.#down) {
      client.destroy()
      return
    }
    const server = connect(Number(this.#target.port), this.#target.hostname)
    this.#pairs.set(client, new Pair(client, server, () => this.#delayMs))
    client.on('close', () => this.#pairs.delete(client))
  }

  async #stop(): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#listener.close(() => resolve()))
    this.cut()
    await stopped
  }
}
