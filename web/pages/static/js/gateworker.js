// The gate's service worker: brings the page back on a reload without a
// network. It keeps nothing by itself; the page put itself and its files into
// the cache. Its scope is /gate/, nothing else of the site passes here.
const cacheName = 'ropeline-gate';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const page = request.mode === 'navigate';
  if (request.method !== 'GET' || (!page && !new URL(request.url).pathname.startsWith('/static/'))) return;
  event.respondWith(
    fetch(request).catch(async () => (await (await caches.open(cacheName)).match(request.url, { ignoreVary: true })) || Response.error()),
  );
});
