/**
 * Notifications: the service worker's part. A push brings where something has happened (SPEC.md §8), the browser shows it, and a
 * tap leads there. Loaded by sw.js.
 */
self.addEventListener('push', (event) => event.waitUntil(show(read(event.data))))

self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  event.waitUntil(open(event.notification.data))
})

// The pages know who uses this browser: one that is open tells the server now, else the next one that is opened.
self.addEventListener('pushsubscriptionchange', (event) => {
  const renew = async () => {
    const { applicationServerKey } = event.oldSubscription?.options ?? {}
    if (applicationServerKey) {
      await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey }).catch(() => {})
    }
    for (const client of await pages()) client.postMessage({ type: 'push:renew' })
  }
  event.waitUntil(renew())
})

/** What came, or null for what this version does not know. */
function read(data) {
  try {
    const payload = data.json()
    return payload.v === 1 && typeof payload.session === 'string' && typeof payload.title === 'string' ? payload : null
  } catch {
    return null
  }
}

async function show(payload) {
  if (payload === null) return await self.registration.showNotification('Polyshop', { tag: 'other', body: 'There is news.' })
  const { session, message, kind, as, tag, title, text, at } = payload
  const isSeen = (await pages()).some((page) => page.visibilityState === 'visible' && sessionOf(page) === session)
  if (isSeen) return
  await self.registration.showNotification(title, {
    body: text ?? 'Tap to open the conversation.',
    // Of one run there is one notification. It makes itself heard again where somebody is waited for.
    tag,
    renotify: kind === 'approval' || kind === 'person',
    icon: '/icon.svg',
    timestamp: at,
    data: { session, message, as },
  })
}

async function open(data) {
  if (typeof data?.session !== 'string') return await self.clients.openWindow('/')
  const { session, message, as } = data
  const page = (await pages()).find((each) => sessionOf(each) === session)
  if (page === undefined) {
    const path = as === 'support' ? `/desk?s=${session}` : `/s/${session}`
    return await self.clients.openWindow(`${path}#m-${message}`)
  }
  page.postMessage({ type: 'push:open', session, message })
  await page.focus()
}

function pages() {
  return self.clients.matchAll({ type: 'window', includeUncontrolled: true })
}

/** Of which session a page is; null where it is of none. */
function sessionOf({ url }) {
  const { pathname, searchParams } = new URL(url)
  return pathname === '/desk' ? searchParams.get('s') : (/^\/s\/([^/]+)$/.exec(pathname)?.[1] ?? null)
}
