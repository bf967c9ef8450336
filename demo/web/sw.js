/**
 * Keeps the page on the device, so that a conversation opens with no network and no server: its text comes from the replica
 * in IndexedDB, and from here comes the program that shows it. The build fills in the names of the files and the version.
 *
 * From the cache first: all files of one version belong together, and a start must not wait for a network that is only half
 * there. A new version is fetched beside the old one and takes over with the next load. Tabs that are open stay with what
 * they have begun with: the version before is kept, since they may still ask for a part of it.
 */
const CACHE = 'polyshop-VERSION'
const FILES = new Set('FILES')
const SHELL = '/index.html'
/** Addresses of pages: all are the same program, which reads the address. */
const PAGES = /^\/(?:s\/[^/]+|desk|chats|start|share)?$/
const ASSETS = '/assets/'
const VERSIONS_KEPT = 2

self.addEventListener('install', (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE)
    // `reload`: an older version of a file may lie in the browser's own cache. Not of an asset, whose name says what is in it:
    // the page has just fetched most of them.
    const request = (path) => new Request(path, { cache: path.startsWith(ASSETS) ? 'default' : 'reload' })
    await cache.addAll([...FILES].map(request))
    await self.skipWaiting()
  }
  event.waitUntil(fill())
})

self.addEventListener('activate', (event) => {
  const tidy = async () => {
    // In the order in which they were made. This one may be an older one again, after a version was taken back.
    const others = (await caches.keys()).filter((name) => name.startsWith('polyshop-') && name !== CACHE)
    await Promise.all(others.slice(0, 1 - VERSIONS_KEPT).map((name) => caches.delete(name)))
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
    if (PAGES.test(url.pathname)) event.respondWith(cached(SHELL, request))
  } else if (FILES.has(url.pathname)) event.respondWith(cached(url.pathname, request))
  else if (url.pathname.startsWith(ASSETS)) event.respondWith(ofBefore(url.pathname, request))
})

async function cached(path, request) {
  return (await caches.match(path, { cacheName: CACHE })) ?? fetch(request)
}

/** A part of the version before: its name says what is in it, so it is the right one wherever it lies. */
async function ofBefore(path, request) {
  return (await caches.match(path)) ?? fetch(request)
}
