/**
 * Hocuspocus as it comes: its server with default settings and no extension, its providers with default settings, one insert
 * into a Y.Text per token. It checks no token, and what it acknowledges is in memory only.
 */
import { closeSync, fdatasyncSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { Server, type Extension } from '@hocuspocus/server'
import type { Address, AgentRole, ServerRole, System, ViewerRole } from './system.ts'

function server(extensions: Extension[]): ServerRole {
  return {
    async start() {
      // `quiet` only leaves out the banner.
      const host = new Server({ port: 0, address: '127.0.0.1', quiet: true, stopOnSignals: false, extensions })
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

export const stock: System = { server: () => server([]), agent, viewer }

/** Begins again at this size, so that the file's own length never has to be written. */
const MAX_LOG_BYTES = 8 * 1024 * 1024

/** The least that it takes to have an update on the disk before others see it: one write and one sync, in the hook for it. */
function syncEach(): Extension {
  const folder = mkdtempSync(join(tmpdir(), 'polylogue-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const file = openSync(join(folder, 'log'), 'w')
  writeSync(file, Buffer.alloc(MAX_LOG_BYTES))
  fsyncSync(file)
  process.on('exit', () => closeSync(file))
  let end = 0
  return {
    async onChange({ update }) {
      if (end + update.byteLength > MAX_LOG_BYTES) end = 0
      writeSync(file, update, 0, update.byteLength, end)
      end += update.byteLength
      fdatasyncSync(file)
    },
  }
}

/** Stock with a log that nobody could read, but that costs what a disk costs. */
export const synced: System = { server: () => server([syncEach()]), agent, viewer }
