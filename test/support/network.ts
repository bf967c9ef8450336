/** A server and a token's server behind one network, which goes and comes back. */
import type { OpenSession } from '../../client/index.ts'
import { memoryStore, type ServeOptions, type Store } from '../../server/index.ts'
import { ChaosProxy } from './chaos-proxy.ts'
import type { Device } from './device.ts'
import { serveHere } from './in-process.ts'
import { tokenFor } from './tokens.ts'
import { until } from './wait.ts'

export class Network {
  readonly store: Store
  readonly proxy: ChaosProxy
  /** The server's own address, for who is not behind the network. */
  readonly direct: string

  private constructor(store: Store, proxy: ChaosProxy, direct: string) {
    this.store = store
    this.proxy = proxy
    this.direct = direct
  }

  /** With a server whose messages ask no agent. */
  static async start(options: Partial<ServeOptions> = {}): Promise<Network> {
    const store = memoryStore()
    const { url } = await serveHere({ store, route: () => [], ...options })
    return new Network(store, await ChaosProxy.start(url), url)
  }

  /** Opens a tab, whether there is a network or not. */
  open(device: Device, as = 'ada'): Promise<OpenSession> {
    const token = (): Promise<string> => (this.proxy.isDown ? Promise.reject(new Error('No network')) : tokenFor(as))
    return device.open({ url: this.proxy.url, as, token })
  }

  /** Opens and closes a tab and takes the network away: now the device knows who uses it. */
  async visit(device: Device, as = 'ada'): Promise<void> {
    await (await this.open(device, as)).close()
    this.proxy.down()
  }

  /** Takes the network away, and waits until these know it. */
  async away(...sessions: OpenSession[]): Promise<void> {
    this.proxy.down()
    await until(() => sessions.every(({ status }) => status.connection === 'offline'), { what: 'all to be offline' })
  }

  /** The network is there again, and these notice at once. */
  async back(...sessions: OpenSession[]): Promise<void> {
    this.proxy.up()
    for (const session of sessions) session.reconnect()
    await live(...sessions)
  }
}

export async function live(...sessions: OpenSession[]): Promise<void> {
  await until(() => sessions.every(({ status }) => status.connection === 'live'), { what: 'all to be live' })
}

/** How many messages have their place. */
export function stampedIn(session: Pick<OpenSession, 'view'>): number {
  return session.view.messages.filter(({ metadata }) => metadata.seq !== undefined).length
}
