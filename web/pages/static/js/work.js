// The work that joining may cost: find the number whose SHA-256, after the
// salt, is the challenge. Done in small parts, so that the page stays alive.
import { call } from './api.js';

const part = 512;

// work returns what to send along with the join, or nothing if there is none to do.
export async function work(event) {
  const { ok, body } = await call('GET', `/events/${event}/work`);
  if (!ok || !body.maxnumber || !crypto.subtle) return undefined;
  const { algorithm, challenge, salt, signature } = body;
  const text = new TextEncoder();
  const hex = (bytes) => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, '0')).join('');
  for (let from = 0; from <= body.maxnumber; from += part) {
    const hashes = await Promise.all(Array.from({ length: part }, (_, i) => crypto.subtle.digest(algorithm, text.encode(salt + (from + i)))));
    const found = hashes.findIndex((hash) => hex(hash) === challenge);
    if (found >= 0) return btoa(JSON.stringify({ algorithm, challenge, number: from + found, salt, signature }));
    await new Promise((done) => setTimeout(done)); // input and clocks go first
  }
  return undefined;
}
