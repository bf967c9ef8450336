/** A server that tells people by push, and the push service that it tells. */
import { expect, onTestFinished } from 'vitest'
import type { PushOptions, RunningServer, ServeOptions } from '../../server/index.ts'
import { startAgent } from './agent.ts'
import { openLive } from './clients.ts'
import { serveHere } from './in-process.ts'
import { startPushService, type PushService, type SubscriptionJson } from './push-service.ts'
import { tokenFor } from './tokens.ts'
import { until } from './wait.ts'

export const SUBJECT = 'mailto:ops@example.com'

export interface Asked {
  readonly session?: string
  readonly as?: string
  readonly kind?: 'user' | 'support' | 'viewer' | 'agent'
  readonly token?: string
  readonly method?: string
}

interface Setting extends RunningServer {
  readonly service: PushService
  readonly reported: readonly { readonly error: unknown; readonly stage: string }[]
  readonly ask: (body: unknown, asked?: Asked) => Promise<Response>
  /** A browser of a participant subscribes to a session. */
  subscribe(asked?: Asked): Promise<SubscriptionJson>
  /** Runs one more task of Ada's and waits until she is told of it: whatever was to be told before has been. */
  nothingElse(told: readonly string[]): Promise<void>
}

export async function setUp(push: Partial<PushOptions> = {}, options: Partial<ServeOptions> = {}): Promise<Setting> {
  const service = await startPushService()
  onTestFinished(() => service.close())
  const server = await serveHere({ push: { subject: SUBJECT, loopback: true, graceMs: 40, ...push }, ...options })
  const ask: Setting['ask'] = async (body, { session = 's', as = 'ada', kind = 'user', method = 'PUT', token } = {}) =>
    await fetch(`http://127.0.0.1:${server.port}/push/${session}`, {
      method,
      headers: { authorization: `Bearer ${token ?? (await tokenFor(as, kind))}`, 'content-type': 'application/json' },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
    })
  return {
    ...server,
    service,
    ask,
    async subscribe(asked = {}) {
      const subscription = service.subscribe()
      const response = await ask(subscription, asked)
      expect(response.status).toBe(204)
      return subscription
    },
    async nothingElse(told) {
      await until(() => service.delivered.length === told.length)
      const last = await openLive({ url: server.url, id: 'last' })
      const browser = service.subscribe()
      expect((await ask(browser, { session: 'last' })).status).toBe(204)
      const { agent } = await startAgent({ url: server.url, name: 'ender' })
      last.send('End', { to: ['ender'] })
      await until(() => service.delivered.some(({ endpoint }) => endpoint === browser.endpoint))
      await agent.close(0)
      const before = service.delivered.filter(({ endpoint }) => endpoint !== browser.endpoint)
      expect(before.map(({ payload }) => `${payload.kind} ${payload.run ?? ''}`.trim())).toEqual(told)
      expect(service.wrong).toEqual([])
    },
  }
}
