// What the gate keeps on the device, in IndexedDB: the scans that wait to be
// sent, the tickets it let in, the void codes, and facts such as the keys.
let db;

const done = (request) =>
  new Promise((ok, no) => {
    request.onsuccess = () => ok(request.result);
    request.onerror = () => no(request.error);
  });

export async function open() {
  const request = indexedDB.open('ropeline-gate', 1);
  request.onupgradeneeded = () => {
    for (const name of ['seen', 'waiting', 'voids', 'facts']) request.result.createObjectStore(name);
  };
  db = await done(request);
}

const store = (name, mode) => db.transaction(name, mode, { durability: 'strict' }).objectStore(name);

export const get = (name, key) => done(store(name, 'readonly').get(key));
export const put = (name, key, value) => done(store(name, 'readwrite').put(value, key));
export const remove = (name, key) => done(store(name, 'readwrite').delete(key));

// among lists what belongs to an event: every key begins with its id.
export async function among(name, event) {
  const all = store(name, 'readonly');
  const range = IDBKeyRange.bound(`${event}:`, `${event}:\uffff`);
  const [keys, values] = await Promise.all([done(all.getAllKeys(range)), done(all.getAll(range))]);
  return keys.map((key, i) => [key, values[i]]);
}

export function putAll(name, entries) {
  const change = db.transaction(name, 'readwrite');
  for (const [key, value] of entries) change.objectStore(name).put(value, key);
  return ended(change);
}

// hear takes who came in at any gate, and who did not after all: an undoing
// counts for its turn and those before.
export async function hear(entries) {
  const change = db.transaction('seen', 'readwrite');
  const seen = change.objectStore('seen');
  for (const [key, { isIn, turn, at, gate }] of entries) {
    if (isIn) seen.put({ at, gate, turn }, key);
    else seen.get(key).onsuccess = ({ target }) => (target.result?.turn ?? -1) <= turn && seen.delete(key);
  }
  return ended(change);
}

// keepScan writes a scan that waits, and the ticket that it let in, together or
// not at all. It tells false when another tab was first to let the ticket in.
export async function keepScan(key, scan, seenKey, seen) {
  const change = db.transaction(['waiting', 'seen'], 'readwrite', { durability: 'strict' });
  change.objectStore('waiting').put(scan, key);
  if (seenKey) change.objectStore('seen').add(seen, seenKey);
  try {
    await ended(change);
    return true;
  } catch (err) {
    if (err?.name === 'ConstraintError') return false;
    throw err;
  }
}

const ended = (change) =>
  new Promise((ok, no) => {
    change.oncomplete = () => ok();
    change.onabort = () => no(change.error);
  });
