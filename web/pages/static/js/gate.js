// The gate at an entrance: asks the house for each scan, and goes on by itself
// when the network is away.
import { call } from './api.js';
import { able, parse, tidy, verify } from './gatecode.js';
import { clock, line, shower } from './gateshow.js';
import { wake } from './gatesound.js';
import * as keep from './gatestore.js';

const root = document.getElementById('gate');
const { event } = root.dataset;
const $ = (name) => root.querySelector(`[data-f=${name}]`);
const value = (name, text) => (root.querySelector(`[data-v=${name}]`).textContent = text);
const result = shower(root);
const admin = `/admin/events/${event}`;
const patience = 3000; // ms to wait for the house before the device decides
const lastScans = 12;
const atOnce = 50; // scans in one sync

let reachable = navigator.onLine; // the house answered last time
let signedOut = false;
let keys = [];
let voids = new Map(); // ticket → every revision up to this one is void
let cursor = 0;
let enteredCursor = 0;
let fetched; // when keys and void codes were last asked for
let counts;
let verifies = false; // this browser can check a signature
let keeps = false; // and can remember scans

// look asks the house about a code, and falls back to this device.
async function look(code) {
  const scan = { scan: crypto.randomUUID(), code, at: new Date().toISOString(), gate: gateName() };
  const tried = reachable && navigator.onLine;
  if (tried) {
    const { ok, status, body } = await call('POST', `${admin}/checkins`, { body: { scan: scan.scan, code, gate: scan.gate }, timeout: patience });
    met(status);
    if (ok) {
      if (body.result === 'accepted') soon();
      return settle(code, body);
    }
    if (status === 400 || status === 404 || status === 422) return { result: 'unsure', at: scan.at, why: body.detail };
  }
  const answer = await decide(code);
  if (answer.result === 'unsure') return { ...answer, at: scan.at, offline: true };
  const parsed = parse(code);
  const seen = answer.result === 'accepted' ? seenKey(parsed) : undefined;
  const waiting = { ...scan, shown: answer.result, ticket: parsed?.ticket };
  if (!(await keep.keepScan(waitingKey(scan), waiting, seen, { at: scan.at, gate: scan.gate }))) {
    return { result: 'already', first: await keep.get('seen', seen), at: scan.at, offline: true, ticket: parsed.ticket };
  }
  return { ...answer, at: scan.at, offline: true, ticket: parsed?.ticket };
}

const gateName = () => $('gatename').value.trim() || 'Gate';
const waitingKey = (scan) => `${event}:${scan.at}:${scan.scan}`;
const seenKey = ({ ticket, revision }) => `${event}:${ticket}:${revision}`;

// settle remembers what the house knows of a ticket that is in, so that a
// second scan is refused when the network has gone in between.
async function settle(code, answer) {
  const parsed = parse(code);
  const first = answer.result === 'accepted' ? { at: answer.at, gate: answer.gate } : answer.first;
  if (keeps && parsed && first) await keep.put('seen', seenKey(parsed), first);
  return answer;
}

// decide is what the device can tell alone.
async function decide(code) {
  if (!keeps) return { result: 'unsure', why: 'This browser keeps nothing, so it cannot check offline. Ask the house: get a network.' };
  if (!verifies) return { result: 'unsure', why: 'This browser cannot check signatures. Ask the house: get a network.' };
  const parsed = parse(code);
  if (!parsed) return { result: 'bad_signature' };
  const good = await verify(parsed, keys);
  if (good === undefined) return { result: 'unsure', why: 'Signed with a key that this device has not fetched yet. Get a network.' };
  if (!good) return { result: 'bad_signature' };
  if (parsed.event !== event) return { result: 'wrong_event' };
  if (voids.get(parsed.ticket) >= parsed.revision) return { result: 'revoked' };
  const first = await keep.get('seen', seenKey(parsed));
  return first ? { result: 'already', first } : { result: 'accepted' };
}

let busy = false;
async function check(text) {
  const code = tidy(text);
  if (busy || !code) return;
  busy = true;
  let put;
  try {
    const answer = await look(code).catch((err) => ({ result: 'unsure', at: new Date().toISOString(), why: `This device could not keep the scan (${err.name}). Get a network.` }));
    const list = $('last');
    if (!list.querySelector('[data-result]')) list.replaceChildren();
    list.prepend(line(answer));
    while (list.children.length > lastScans) list.lastChild.remove();
    put = result.show(answer, $('sound').checked);
    count();
  } finally {
    busy = false;
  }
  await put;
}

// sync sends the scans that wait, oldest first. The house knows a scan by its
// name, so one whose answer was lost is sent again.
let syncing = false;
async function sync() {
  if (!keeps || syncing) return;
  syncing = true;
  try {
    let most = atOnce;
    for (;;) {
      const all = await keep.among('waiting', event);
      if (all.length === 0) break;
      const { gate } = all[0][1];
      const batch = all.filter(([, scan]) => scan.gate === gate).slice(0, most);
      const codes = batch.map(([, { scan, code, at, shown }]) => ({ scan, code, at, shown }));
      const { ok, status, body } = await call('POST', `${admin}/checkins`, { body: { gate, codes } });
      met(status);
      if (ok) {
        for (const [i, [key, scan]] of batch.entries()) await sent(key, scan, body.results[i]);
      } else if (status >= 400 && status < 500 && status !== 401 && status !== 403 && status !== 429) {
        if (most > 1) most = 1; // find the one that the house does not take
        else await sent(batch[0][0], batch[0][1], { result: 'unsure', at: batch[0][1].at, why: body.detail });
      } else break;
    }
  } finally {
    syncing = false;
    count();
  }
}

async function sent(key, scan, answer) {
  await settle(scan.code, answer);
  if (scan.shown === 'accepted' && answer.result !== 'accepted') {
    await keep.put('facts', `${event}:conflict:${scan.scan}`, { ...answer, at: scan.at, ticket: scan.ticket });
    await conflicts();
    if ($('sound').checked) navigator.vibrate?.([400, 150, 400]);
  }
  await keep.remove('waiting', key);
}

async function conflicts() {
  const all = (await keep.among('facts', `${event}:conflict`)).map(([, conflict]) => conflict);
  $('conflictbox').hidden = all.length === 0;
  $('conflicts').replaceChildren(...all.map(line));
}

// refresh fetches what checking offline needs, and the counts.
async function refresh() {
  const [newKeys, newVoids, newCounts] = await Promise.all([
    call('GET', `/events/${event}/gate/keys`),
    call('GET', `${admin}/revocations?since=${cursor}`),
    call('GET', `${admin}/checkins/counts`),
  ]);
  met(newVoids.status);
  if (newKeys.ok && newVoids.ok) {
    keys = newKeys.body.keys;
    const fresh = newVoids.body.revoked.map(([ticket, revision]) => [`${event}:${ticket}`, revision]);
    for (const [ticket, revision] of newVoids.body.revoked) voids.set(ticket, Math.max(revision, voids.get(ticket) || 0));
    cursor = newVoids.body.cursor;
    fetched = new Date().toISOString();
    if (keeps) {
      if (fresh.length) await keep.putAll('voids', fresh.map(([key]) => [key, voids.get(key.slice(event.length + 1))]));
      await keep.putAll('facts', [[`${event}:keys`, keys], [`${event}:fetched`, fetched]]);
    }
  }
  await hear();
  if (newCounts.ok) counts = newCounts.body;
  count();
}

// hear fetches who came in at other gates, page by page, so that they are
// known when the network goes.
async function hear() {
  if (!keeps) return;
  let next = 0;
  let first;
  do {
    const { ok, body } = await call('GET', `${admin}/entered?since=${enteredCursor}&after=${next}`);
    if (!ok) return;
    first ??= body.cursor;
    const now = new Map();
    for (const [ticket, revision, turn, isIn, at, gate] of body.entered) now.set(seenKey({ ticket, revision }), { isIn, turn, at, gate });
    await keep.hear([...now]);
    next = body.next;
  } while (next);
  enteredCursor = first;
}

// met notes how the house answered.
function met(status) {
  signedOut = status === 401 || (signedOut && status === 0);
  reachable = status !== 0 && status < 500;
  const on = reachable && !signedOut;
  root.dataset.link = on ? 'on' : 'off';
  const words = signedOut ? 'Signed out: scans are kept on this device' : on ? 'Connected' : 'No network: this device checks by itself';
  if ($('linkwords').textContent !== words) $('linkwords').textContent = words;
  $('trouble').hidden = !signedOut;
  $('trouble').textContent = signedOut ? 'The sign-in has ended. Sign in again in another tab; the scans that wait are sent then.' : '';
}

async function count() {
  const waiting = keeps ? (await keep.among('waiting', event)).map(([, scan]) => scan) : [];
  const let_in = waiting.filter((scan) => scan.shown === 'accepted');
  const mine = counts?.gates.find((gate) => gate.gate === gateName())?.accepted || 0;
  value('waiting', waiting.length);
  value('mine', mine + let_in.filter((scan) => scan.gate === gateName()).length);
  value('all', counts ? counts.checked_in + let_in.length : '–');
  value('allnote', counts ? counts.tickets === 1 ? 'of 1 ticket' : `of ${counts.tickets} tickets` : 'of the tickets');
  $('known').textContent = fetched
    ? `Keys and ${voids.size} void ${voids.size === 1 ? 'code' : 'codes'} as of ${clock(fetched)}.${verifies && keeps ? '' : ' This browser cannot check offline: it needs the network for each scan.'}`
    : 'Keys and void codes are not fetched yet: without a network nothing can be checked.';
}

// soon asks for the counts once more, not for every scan of a busy door.
let asked;
const soon = () => (asked ||= setTimeout(() => ((asked = undefined), refresh()), 500));

async function beat() {
  try {
    await refresh();
    if (reachable && !signedOut) await sync();
  } finally {
    setTimeout(beat, reachable ? 5000 : 2000);
  }
}

async function camera() {
  const button = $('camera');
  if (camera.running) {
    camera.running.stop();
    camera.running = undefined;
    $('view').hidden = $('torch').hidden = true;
    button.textContent = 'Start the camera';
    return;
  }
  button.disabled = true;
  $('cameranote').hidden = true;
  try {
    const { start } = await import('./gatecamera.js');
    $('view').hidden = false;
    camera.running = await start($('video'), () => !busy && !result.open, check);
    $('torch').hidden = !camera.running.torch;
    button.textContent = 'Stop the camera';
  } catch (err) {
    $('view').hidden = true;
    $('cameranote').hidden = false;
    $('cameranote').textContent = err.name === 'NotAllowedError' ? 'The camera was not allowed. Allow it in the browser’s settings, or type the code.' : `The camera cannot be used (${err.name}). Type the code instead.`;
  }
  button.disabled = false;
}

// stay brings this page back on a reload without a network.
async function stay() {
  if (!('serviceWorker' in navigator) || !('caches' in window)) return;
  await navigator.serviceWorker.register('/gate/sw.js', { scope: '/gate/' });
  const later = ['./gatecamera.js', './vendor/qr/decode.js', './vendor/qr/index.js'].map((name) => new URL(name, import.meta.url).href);
  const files = performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => new URL(name).pathname.startsWith('/static/'));
  const cache = await caches.open('ropeline-gate');
  await Promise.all([location.href.split('#')[0], ...new Set([...files, ...later])].map((file) => cache.add(file).catch(() => {})));
  root.dataset.stays = 'yes';
}

$('manual').addEventListener('submit', async (submitted) => {
  submitted.preventDefault();
  wake();
  const { code } = submitted.target.elements;
  const text = code.value;
  code.value = '';
  await check(text);
  code.focus();
});
$('camera').addEventListener('click', () => (wake(), camera()));
$('torch').addEventListener('click', () => {
  const on = $('torch').getAttribute('aria-pressed') !== 'true';
  camera.running?.torch(on).then(() => $('torch').setAttribute('aria-pressed', on), () => {});
});
$('clear').addEventListener('click', async () => {
  for (const [key] of await keep.among('facts', `${event}:conflict`)) await keep.remove('facts', key);
  await conflicts();
});
$('gatename').value = localStorage.getItem('ropeline-gate') || $('gatename').value;
$('gatename').addEventListener('change', () => {
  localStorage.setItem('ropeline-gate', gateName());
  count();
});
addEventListener('online', () => ((reachable = true), refresh().then(sync)));
addEventListener('offline', () => met(0));

verifies = await able();
try {
  await keep.open();
  keeps = true;
  keys = (await keep.get('facts', `${event}:keys`)) || [];
  fetched = await keep.get('facts', `${event}:fetched`);
  voids = new Map((await keep.among('voids', event)).map(([key, revision]) => [key.slice(event.length + 1), revision]));
  await conflicts();
} catch {
  // A private window: the house must be asked each time.
}
$('camera').hidden = !navigator.mediaDevices?.getUserMedia;
met(navigator.onLine ? 200 : 0);
await count();
beat();
root.dataset.ready = 'yes';
stay().catch(() => {});
