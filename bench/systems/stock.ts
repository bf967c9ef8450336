/**
 * Hocuspocus as it comes: its server with default settings and no extension, its providers with default settings, one insert
 * into a Y.Text per token. It checks no token, and what it acknowledges is in memory only.
 */
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { Server } from '@hocuspocus/server'
import type { Address, AgentRole, ServerRole, System, ViewerRole } from './system.ts'

function server(): ServerRole {
  return {
    async start() {
      // `quiet` only leaves out the banner.
      const host = new Server({ port: 0, address: '127.0.0.1', quiet: true, stopOnSignals: false })
      await host.listen()
      return { url: `ws://127.0.0.1:${host.address.port}`, agentToken: '', viewerToken: '' }
    },
  }
}

async function open(socket: HocuspocusProviderWebsocket, session: string): Promise<HocuspocusProvider> {
  return await new Promise((resolve) => {
    const provider = new HocuspocusProvider({ websocketProvider: socket, name: session, onSynced: () => resolve(provider) })
    provider.attach()
  })
}

const connect = ({ url }: Address): HocuspocusProviderWebsocket => new HocuspocusProviderWebsocket({ url })

function agent(): AgentRole {
  let socket: HocuspocusProviderWebsocket | null = null
  const providers: HocuspocusProvider[] = []
  return {
    async open(address, sessions) {
      const shared = (socket ??= connect(address))
      const opened = await Promise.all(sessions.map((session) => open(shared, session)))
      providers.push(...opened)
      return opened.map(({ document }) => {
        const text = document.getText('text')
        return (token) => text.insert(text.length, token)
      })
    },
    async close() {
      for (const provider of providers.splice(0)) {
        provider.destroy()
        provider.document.destroy()
      }
      socket?.destroy()
      socket = null
    },
  }
}

function viewer(): ViewerRole {
  const closers: (() => void)[] = []
  return {
    async open(address, sessions, first, seen) {
      await Promise.all(
        sessions.map(async (session, index) => {
          const socket = connect(address)
          const provider = await open(socket, session)
          const text = provider.document.getText('text')
          text.observe(() => seen(first + index, text.length))
          closers.push(() => {
            provider.destroy()
            provider.document.destroy()
            socket.destroy()
          })
        }),
      )
    },
    async close() {
      for (const close of closers.splice(0)) close()
    },
  }
}

export const stock: System = { server, agent, viewer }
