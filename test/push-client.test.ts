/** `polylogue/push` in a page: what it asks of the browser, its user and the server. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SessionError } from '../client/index.ts'
import { renewPush, subscribeToPush, unsubscribeFromPush, type PushOptions } from '../client/push.ts'

const KEY = Buffer.alloc(65, 4).toString('base64url')
const OPTIONS: PushOptions = { url: 'wss://chat.example.com/app/sync', id: 's', token: () => 'the token' }

/** What has been asked of the server, and of the browser's subscriptions. */
let asked: string[]
/** The key of the browser's subscription; null: it has none. */
let subscribedWith: string | null
let permission: NotificationPermission
let answer: NotificationPermission
let status: number

const subscription = (key: string): unknown => ({
  endpoint: `https://push.example.com/${key.slice(0, 3)}`,
  options: { applicationServerKey: Uint8Array.from(Buffer.from(key, 'base64url')).buffer },
  toJSON: () => ({ key }),
  unsubscribe: async () => {
    asked.push('unsubscribe')
    subscribedWith = null
    return true
  },
})
const pushManager = {
  getSubscription: async () => (subscribedWith === null ? null : subscription(subscribedWith)),
  subscribe: async ({ applicationServerKey }: { applicationServerKey: string }) => {
    asked.push('subscribe')
    subscribedWith = applicationServerKey
    return subscription(applicationServerKey)
  },
}

beforeEach(() => {
  asked = []
  subscribedWith = null
  permission = 'default'
  answer = 'granted'
  status = 200
  vi.stubGlobal('PushManager', class {})
  vi.stubGlobal('Notification', {
    get permission() {
      return permission
    },
    requestPermission: async () => {
      asked.push('permission')
      return (permission = answer)
    },
  })
  vi.stubGlobal('navigator', { serviceWorker: { ready: Promise.resolve({ pushManager }) } })
  vi.stubGlobal(
    'fetch',
    async (url: URL, { method, headers, body }: { method: string; headers: { authorization: string }; body?: string }) => {
      asked.push(`${method} ${url.href} ${headers.authorization} ${body ?? ''}`.trim())
      return method === 'GET' ? Response.json({ key: KEY }, { status }) : new Response(null, { status: 204 })
    },
  )
})
afterEach(() => void vi.unstubAllGlobals())

const get = 'GET https://chat.example.com/app/push/s Bearer the token'
const put = `PUT https://chat.example.com/app/push/s Bearer the token {"key":"${KEY}"}`

test('from a tap the user is asked, and the server told with the key that it has (PSH-5)', async () => {
  expect(await subscribeToPush(OPTIONS)).toBe('on')
  expect(asked).toEqual(['permission', get, 'subscribe', put])
})

test('who says no is not asked for a subscription; where the browser cannot, nobody is asked', async () => {
  answer = 'denied'
  expect(await subscribeToPush(OPTIONS)).toBe('denied')
  answer = 'default'
  expect(await subscribeToPush(OPTIONS)).toBe('off')
  expect(asked).toEqual(['permission', 'permission'])
  vi.stubGlobal('Notification', undefined)
  expect(await subscribeToPush(OPTIONS)).toBe('unsupported')
  expect(await renewPush(OPTIONS)).toBe('unsupported')
})

test('when a session is opened the server is told of what the browser has, and nobody is asked anything (PSH-5)', async () => {
  expect(await renewPush(OPTIONS)).toBe('off')
  permission = 'denied'
  expect(await renewPush(OPTIONS)).toBe('denied')
  permission = 'granted'
  expect(await renewPush(OPTIONS)).toBe('off')
  subscribedWith = KEY
  expect(await renewPush(OPTIONS)).toBe('on')
  expect(asked).toEqual([get, put])
})

test('a subscription with a key that the server no longer has is replaced (PSH-5)', async () => {
  permission = 'granted'
  subscribedWith = Buffer.alloc(65, 5).toString('base64url')
  expect(await renewPush(OPTIONS)).toBe('on')
  expect(asked).toEqual([get, 'unsubscribe', 'subscribe', put])
})

test('a server that does not take it is an error; giving up works without one (PSH-5)', async () => {
  status = 404
  await expect(subscribeToPush(OPTIONS)).rejects.toThrow(SessionError)
  subscribedWith = KEY
  asked = []
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('No network.')
  })
  expect(await unsubscribeFromPush(OPTIONS)).toBe('off')
  expect([asked, subscribedWith]).toEqual([['unsubscribe'], null])
})
