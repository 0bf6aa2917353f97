// Calls to the server that never throw: the answer is {ok, status, body}, and
// when it is not ok body has a code and a detail that a fan can read.

import { reach } from './reach.js';

export async function call(method, path, { body, headers, timeout = 12000 } = {}) {
  try {
    const answer = await fetch(path, {
      method,
      cache: 'no-store',
      credentials: 'same-origin',
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
      headers: { Accept: 'application/json', ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
    });
    const text = await answer.text();
    reach(true);
    const parsed = text ? JSON.parse(text) : {};
    return { ok: answer.ok, status: answer.status, body: answer.ok || parsed.code ? parsed : unknown(answer.status) };
  } catch {
    reach(false);
    return { ok: false, status: 0, body: { code: 'offline', detail: 'No connection to the box office.' } };
  }
}

const unknown = (status) => ({ code: 'unknown', detail: `The box office answered in a way that we do not understand (${status}).` });

// passing tells whether the same call may succeed in a moment.
export const passing = (answer) => answer.status === 0 || answer.status === 429 || answer.status >= 500;

// pause waits a little longer each time, with jitter.
export const pause = (turn, most = 8000) =>
  new Promise((done) => setTimeout(done, Math.min(most, 400 * 1.6 ** turn) * (0.75 + Math.random() * 0.5)));
