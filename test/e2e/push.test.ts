/**
 * Notifications in real Chromium, with its real service worker. Without a head it has neither a push service nor notifications:
 * the page's subscription is replaced by one with real keys at the test's own push service, what arrives there is handed to the
 * service worker over the DevTools protocol, and what it then shows is kept in a list.
 */
import type { BrowserContext, CDPSession, Worker } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startPushService, type PushService, type SubscriptionJson } from '../support/push-service.ts'
import { setStage } from './stage.ts'
import { until, type Window } from './windows.ts'

// Steps that are long enough to be seen on a machine that does much else.
const stage = setStage({ DEMO_PUSH_LOOPBACK: '1', DEMO_PUSH_GRACE_MS: '300', DEMO_TOOL_DELAY_MS: '1200' }, { worker: true })
let service: PushService
beforeAll(async () => void (service = await startPushService()))
afterAll(() => service.close())

const TASK = 'Research noise-cancelling headphones under $300'
const STEP = 'Comparing specifications'

/**
 * What the browser's user and `PushManager` do, kept over reloads and shared by all tabs. To be run in the page, before its own
 * scripts. The user says what stands at `test:answer`, by default yes.
 */
function playBrowser(given: SubscriptionJson): void {
  const KEY = 'test:subscription'
  const PERMISSION = 'test:permission'
  const make = (key: string): PushSubscription => {
    const bytes = Uint8Array.from(atob(key.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.codePointAt(0) ?? 0)
    return {
      endpoint: given.endpoint,
      expirationTime: null,
      options: { applicationServerKey: bytes.buffer, userVisibleOnly: true },
      toJSON: () => given,
      unsubscribe: async () => {
        localStorage.removeItem(KEY)
        return true
      },
    } as unknown as PushSubscription
  }
  PushManager.prototype.getSubscription = async () => {
    const key = localStorage.getItem(KEY)
    return key === null ? null : make(key)
  }
  PushManager.prototype.subscribe = async (options) => {
    const key = options?.applicationServerKey as string
    localStorage.setItem(KEY, key)
    return make(key)
  }
  const permission = (): NotificationPermission => (localStorage.getItem(PERMISSION) ?? 'default') as NotificationPermission
  Object.defineProperty(Notification, 'permission', { get: permission })
  Notification.requestPermission = async () => {
    if (permission() === 'default') localStorage.setItem(PERMISSION, localStorage.getItem('test:answer') ?? 'granted')
    return permission()
  }
}

/** A window of a browser that has the push service of the test. */
async function joinWithPush(link: string, name: string): Promise<Window> {
  const window = await stage.join(link, name)
  await window.ready()
  await window.context.addInitScript(playBrowser, service.subscribe())
  await window.page.reload()
  await window.composer.waitFor()
  return window
}

/** Hands pushes to the service worker as the browser does when they come. */
async function courier(
  context: BrowserContext,
): Promise<{ worker: Worker; deliver: (data: string) => Promise<void>; cdp: CDPSession }> {
  const cdp = await context.newCDPSession(await context.newPage())
  const registration = new Promise<string>((resolve) => {
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const own = registrations.find(({ scopeURL, isDeleted }) => scopeURL.startsWith(stage.demo.url) && !isDeleted)
      if (own !== undefined) resolve(own.registrationId)
    })
  })
  await cdp.send('ServiceWorker.enable')
  const registrationId = await registration
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'))
  await worker.evaluate(() => {
    const { registration } = self as unknown as { registration: ServiceWorkerRegistration }
    const list = new Map<string, unknown>()
    registration.showNotification = async (title, options = {}) => {
      const { tag = '' } = options
      list.set(tag, { title, ...options, close: () => void list.delete(tag) })
    }
    registration.getNotifications = async ({ tag } = {}) =>
      ([...list] as [string, Notification][]).filter(([key]) => tag === undefined || key === tag).map(([, each]) => each)
  })
  const deliver = async (data: string): Promise<void> => {
    await cdp.send('ServiceWorker.deliverPushMessage', { origin: stage.demo.url, registrationId, data })
  }
  return { worker, deliver, cdp }
}

interface Shown {
  readonly title: string
  readonly body: string
  readonly tag: string
}

const shown = (worker: Worker): Promise<Shown[]> =>
  worker.evaluate(async () => {
    const { registration } = self as unknown as { registration: ServiceWorkerRegistration }
    return (await registration.getNotifications()).map(({ title, body, tag }) => ({ title, body, tag }))
  })

/** A tap on the notification that is shown. Gives the address that was opened for it, if one was. */
const tap = (worker: Worker): Promise<string | null> =>
  worker.evaluate(async () => {
    const scope = self as unknown as { registration: ServiceWorkerRegistration; clients: { openWindow: unknown } }
    const [notification] = await scope.registration.getNotifications()
    let opened: string | null = null
    // Only a real tap may open or focus a window.
    scope.clients.openWindow = async (url: string) => void (opened = url)
    const work: Promise<unknown>[] = []
    const event = Object.assign(new Event('notificationclick'), {
      notification,
      waitUntil: (each: Promise<unknown>) => work.push(each),
    })
    self.dispatchEvent(event)
    await Promise.allSettled(work)
    return opened
  })

const bellOf = (window: Window): ReturnType<Window['page']['getByRole']> =>
  window.page.getByRole('button', { name: 'Notifications on this device' })

test('[D12] all windows closed, a long task ends: the service worker shows one notification, and a tap leads to the message (PSH-1, PSH-4, PSH-7)', async () => {
  const link = await stage.newLink()
  const session = link.split('/').at(-1) ?? ''
  const window = await joinWithPush(link, 'Mia')
  await bellOf(window).click()
  await until(() => bellOf(window).getAttribute('aria-pressed'), 'the bell is on').toBe('true')
  await window.say(TASK)
  const goOn = await stage.hold('research', [window], STEP)
  const { worker, deliver } = await courier(window.context)
  await window.page.close()
  goOn()
  await until(() => service.delivered.length, 'the push has come').toBe(1)
  const [{ payload }] = service.delivered as [(typeof service.delivered)[number]]
  expect(payload).toMatchObject({ kind: 'done', as: 'user', session, title: 'Your answer is ready' })
  expect(payload).not.toHaveProperty('text')

  await deliver(JSON.stringify(payload))
  const one = [{ title: 'Your answer is ready', body: 'Tap to open the conversation.', tag: payload.tag }]
  await until(() => shown(worker), 'it is shown').toEqual(one)
  // Of one run there is one, and what is not known is no reason to say nothing.
  await deliver(JSON.stringify(payload))
  await deliver('{"v":2}')
  await until(async () => (await shown(worker)).map(({ tag }) => tag).sort(), 'it is shown once').toEqual(
    ['other', payload.tag].sort(),
  )
  await worker.evaluate(async () => {
    const { registration } = self as unknown as { registration: ServiceWorkerRegistration }
    for (const each of await registration.getNotifications({ tag: 'other' })) each.close()
  })
  expect(await tap(worker)).toBe(`/s/${session}#m-${payload.message}`)
  await until(() => shown(worker), 'it is gone').toEqual([])

  // With a window of the session in sight nothing is shown; one that is only there is led to the message.
  const again = await stage.join(link, 'Mia', window)
  await until(() => bellOf(again).getAttribute('aria-pressed'), 'the bell is still on').toBe('true')
  await again.page.bringToFront()
  await deliver(JSON.stringify(payload))
  const other = { ...payload, session: 'another', tag: 'another' }
  await deliver(JSON.stringify(other))
  await until(async () => (await shown(worker)).map(({ tag }) => tag), 'only the other one is shown').toEqual(['another'])
  await worker.evaluate(
    async ([title, data]) => {
      const { registration } = self as unknown as { registration: ServiceWorkerRegistration }
      for (const each of await registration.getNotifications()) each.close()
      await registration.showNotification(String(title), { data: { ...data, as: 'user' } })
    },
    [payload.title, { session, message: payload.message }] as const,
  )
  expect(await tap(worker)).toBeNull()
  await until(() => new URL(again.page.url()).hash, 'the window is led to the message').toBe(`#m-${payload.message}`)
  expect(service.wrong).toEqual([])
})

test('who comes back to a task that went on is asked in the page first; a browser that says no is explained, and one that is told is not any more when its user says so (PSH-5, PSH-7)', async () => {
  const link = await stage.newLink()
  const before = service.delivered.length
  const window = await joinWithPush(link, 'Noa')
  const card = window.page.locator('.push-card')
  await window.say(TASK)
  const goOn = await stage.hold('research', [window], STEP)
  expect(await card.count()).toBe(0)
  // Away for a minute, by the page's clock.
  await window.page.evaluate(() => {
    const show = (state: string): void => {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }
    const now = Date.now
    show('hidden')
    Date.now = () => now() + 60_000
    show('visible')
    Date.now = now
  })
  await card.getByRole('button', { name: 'Tell me' }).click()
  await until(() => bellOf(window).getAttribute('aria-pressed'), 'the bell is on').toBe('true')
  await until(() => card.count(), 'the card is gone').toBe(0)
  goOn()
  await until(() => window.status('research'), 'it is done').toBe('complete')
  await bellOf(window).click()
  await until(() => bellOf(window).getAttribute('aria-pressed'), 'the bell is off').toBe('false')
  await window.page.evaluate(() => {
    localStorage.removeItem('test:permission')
    localStorage.setItem('test:answer', 'denied')
  })
  await bellOf(window).click()
  await until(() => card.getAttribute('data-note'), 'it is explained').toBe('denied')
  await card.getByRole('button', { name: 'Close' }).click()
  await until(() => card.count(), 'the card is gone').toBe(0)
  // It was in sight all the time, as far as the server knows.
  expect(service.delivered.length).toBe(before)
})
