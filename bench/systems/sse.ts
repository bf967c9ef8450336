/**
 * The floor: a relay that hands each event from the agent's one streaming request to the viewers' event streams, and stores
 * nothing. Events are those of the AI SDK's UI message stream.
 */
import { createServer, request, type ClientRequest, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import type { AgentRole, ServerRole, System, ViewerRole } from './system.ts'

/** Calls `each` with every line of a stream, without its end. */
function readLines(stream: Readable, each: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) each(line)
  })
  stream.on('error', () => {})
}

function server(): ServerRole {
  const viewers = new Map<string, Set<ServerResponse>>()
  const http = createServer((incoming, response) => {
    response.socket?.setNoDelay(true)
    if (incoming.method === 'POST') {
      readLines(incoming, (line) => {
        const space = line.indexOf(' ')
        const event = `data: ${line.slice(space + 1)}\n\n`
        for (const viewer of viewers.get(line.slice(0, space)) ?? []) viewer.write(event)
      })
      incoming.on('end', () => response.end())
      return
    }
    const session = (incoming.url ?? '/').slice(1)
    const audience = viewers.get(session) ?? new Set()
    viewers.set(session, audience.add(response))
    response.on('close', () => {
      audience.delete(response)
      if (audience.size === 0) viewers.delete(session)
    })
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.flushHeaders()
  })
  return {
    start: () =>
      new Promise((resolve) => {
        http.listen(0, '127.0.0.1', () => {
          resolve({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, agentToken: '', viewerToken: '' })
        })
      }),
  }
}

function agent(): AgentRole {
  let post: ClientRequest | null = null
  return {
    async open({ url }, sessions) {
      if (post === null) {
        post = request(url, { method: 'POST', headers: { 'content-type': 'text/plain' } })
        post.setNoDelay(true)
        post.on('error', () => {})
        post.flushHeaders()
      }
      const to = post
      return sessions.map((session) => (token) => {
        to.write(`${session} ${JSON.stringify({ type: 'text-delta', id: '0', delta: token })}\n`)
      })
    },
    async close() {
      post?.end()
      post = null
    },
  }
}

function viewer(): ViewerRole {
  const requests: ClientRequest[] = []
  return {
    async open({ url }, sessions, first, seen) {
      await Promise.all(
        sessions.map(
          (session, index) =>
            new Promise<void>((resolve, reject) => {
              let text = ''
              const get = request(`${url}/${session}`, (response) => {
                readLines(response, (line) => {
                  if (!line.startsWith('data: ')) return
                  text += (JSON.parse(line.slice(6)) as { delta: string }).delta
                  seen(first + index, text.length)
                })
                resolve()
              })
              get.on('error', reject)
              get.end()
              requests.push(get)
            }),
        ),
      )
    },
    async close() {
      for (const get of requests.splice(0)) get.destroy()
    },
  }
}

export const sse: System = { server, agent, viewer }
