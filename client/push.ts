/**
 * Web Push from the page's side: asks the browser for a subscription and brings it to the server. What is shown is the page's
 * own service worker's affair; the JSON that it gets is a `NoticePayload`.
 */
import { SessionError } from '../shared/errors.ts'
import { pushPath } from '../shared/notice.ts'

export type { NoticeKind, NoticePayload } from '../shared/notice.ts'

export interface PushOptions {
  /** The server's address, as for `openSession`. */
  readonly url: string
  /** Session id. */
  readonly id: string
  /** A JSON Web Token, or a function that fetches one. */
  readonly token: string | (() => string | Promise<string>)
  /** Default: the registration of the page's service worker, once it is active. */
  readonly registration?: ServiceWorkerRegistration
}

/**
 * `unsupported`: this browser cannot (on iOS: only pages on the home screen can); `denied`: its user has forbidden it, and only
 * the browser's settings can change that; `off`; `on`: this browser is told.
 */
export type PushState = 'unsupported' | 'denied' | 'off' | 'on'

/**
 * Asks the user, and has this browser told of the session from now on. To be called from a tap: browsers ask nobody else.
 * Gives `denied` or `off` when the user says no. Rejects with `SessionError` (`forbidden`) when the server does not take it, and
 * with what the browser or `fetch` rejects with.
 */
export async function subscribeToPush(options: PushOptions): Promise<PushState> {
  if (!isSupported()) return 'unsupported'
  const permission = await Notification.requestPermission()
  if (permission !== 'granted') return permission === 'denied' ? 'denied' : 'off'
  await enrol(options, await registrationOf(options))
  return 'on'
}

/**
 * Says what is so in this browser, and tells the server of a subscription that it has: to be called whenever a session is
 * opened, and when the service worker says that the browser has changed its subscription (`pushsubscriptionchange`). Asks the
 * user nothing. A subscription with a key that the server no longer has is replaced. Rejects as above.
 */
export async function renewPush(options: PushOptions): Promise<PushState> {
  if (!isSupported()) return 'unsupported'
  if (Notification.permission === 'denied') return 'denied'
  const registration = await registrationOf(options)
  if (Notification.permission !== 'granted' || (await registration.pushManager.getSubscription()) === null) return 'off'
  await enrol(options, registration)
  return 'on'
}

/**
 * Has this browser told of nothing any more, in whatever session; works offline. Rejects with what the browser rejects with.
 */
export async function unsubscribeFromPush(options: PushOptions): Promise<PushState> {
  if (!isSupported()) return 'unsupported'
  const subscription = await (await registrationOf(options)).pushManager.getSubscription()
  if (subscription !== null) {
    await subscription.unsubscribe()
    // What the server still has, for this session or others, it drops when the push service says that it is gone.
    await ask(options, 'DELETE', { endpoint: subscription.endpoint }).catch(() => {})
  }
  return Notification.permission === 'denied' ? 'denied' : 'off'
}

function isSupported(): boolean {
  return typeof Notification !== 'undefined' && 'serviceWorker' in navigator && 'PushManager' in globalThis
}

async function registrationOf({ registration }: PushOptions): Promise<ServiceWorkerRegistration> {
  return registration ?? (await navigator.serviceWorker.ready)
}

async function enrol(options: PushOptions, { pushManager }: ServiceWorkerRegistration): Promise<void> {
  const { key } = (await (await ask(options, 'GET')).json()) as { key: string }
  let subscription = await pushManager.getSubscription()
  if (subscription !== null && !isFor(subscription, key)) {
    await subscription.unsubscribe()
    subscription = null
  }
  subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
  await ask(options, 'PUT', subscription.toJSON())
}

/** Whether a subscription was made for a key; true where the browser does not say. */
function isFor({ options }: PushSubscription, key: string): boolean {
  const made = options.applicationServerKey
  if (made === null) return true
  const base64 = btoa(String.fromCharCode(...new Uint8Array(made)))
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '') === key
}

async function ask({ url, id, token }: PushOptions, method: 'GET' | 'PUT' | 'DELETE', body?: unknown): Promise<Response> {
  const address = new URL(url)
  address.protocol = address.protocol === 'wss:' ? 'https:' : 'http:'
  address.pathname = address.pathname.replace(/\/sync$/, '') + pushPath(id)
  const response = await fetch(address, {
    method,
    headers: {
      authorization: `Bearer ${typeof token === 'string' ? token : await token()}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (response.ok) return response
  throw new SessionError('forbidden', `The server does not take it (${response.status}): ${await response.text()}`)
}
