/**
 * Keeps the page on the device, so that a conversation opens with no network and no server: its text comes from the replica
 * in IndexedDB, and from here comes the program that shows it. The build fills in the names of the files and the version.
 *
 * From the cache first: all files of one version belong together, and a start must not wait for a network that is only half
 * there. A new version is fetched beside the old one and takes over with the next load.
 */
const CACHE = 'polyshop-VERSION'
const FILES = new Set('FILES')
const SHELL = '/index.html'

self.addEventListener('install', (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE)
    // `reload`: an older version of a file may lie in the browser's own cache.
    await cache.addAll([...FILES].map((path) => new Request(path, { cache: 'reload' })))
    await self.skipWaiting()
  }
  event.waitUntil(fill())
})

self.addEventListener('activate', (event) => {
  const tidy = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith('polyshop-') && name !== CACHE)
    await Promise.all(old.map((name) => caches.delete(name)))
    await self.clients.claim()
  }
  event.waitUntil(tidy())
})

importScripts('/sw-push.js')

self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return
  if (request.mode === 'navigate') {
    if (url.pathname.startsWith('/s/') || url.pathname === '/desk') event.respondWith(cached(SHELL, request))
    // The server names new sessions; without it the page does that itself.
    else if (url.pathname === '/') event.respondWith(fetch(request).catch(() => cached(SHELL, request)))
  } else if (FILES.has(url.pathname)) event.respondWith(cached(url.pathname, request))
})

async function cached(path, request) {
  return (await caches.match(path, { cacheName: CACHE })) ?? fetch(request)
}
