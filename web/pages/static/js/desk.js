// The organizer's desk for one event: follows its numbers, one frame a second.
import { announce } from './announce.js';
import { call } from './api.js';
import { gauges } from './gauges.js';
import { lastHour } from './hour.js';
import { phases as steps } from './phases.js';
import { rules } from './rules.js';
import { steer } from './steer.js';

const root = document.getElementById('desk');
const { event } = root.dataset;
const path = `/admin/events/${event}/live`;
const stale = root.querySelector('[data-f=stale]');
const badge = root.querySelector('[data-phase]');
const phases = { announced: 'Announced', lobby: 'Lobby open', drop: 'Draw runs', on_sale: 'On sale', sold_out: 'Sold out', closed: 'Sale ended' };
const form = rules(root, event);
const parts = [gauges(root), form.live, steer(root, event, form), steps(root, event), announce(root, event), lastHour(root, event)];

let heard = performance.now(); // when the last frame came
let why = '';

function show(live) {
  heard = performance.now();
  why = '';
  for (const part of parts) part(live);
  badge.textContent = phases[live.phase] || live.phase;
  badge.className = `badge ${live.phase}`;
  root.dataset.live = 'yes';
}

// The stream opens again by itself when the network breaks; when the server
// refused it, one look tells why.
function follow() {
  const stream = new EventSource(`${path}/sse`);
  stream.onmessage = (frame) => show(JSON.parse(frame.data));
  stream.addEventListener('problem', (frame) => { why = JSON.parse(frame.data).detail; });
  stream.addEventListener('end', () => { stream.close(); setTimeout(follow, 500 + Math.random() * 1500); });
  stream.onerror = async () => {
    if (stream.readyState !== EventSource.CLOSED) return;
    const { ok, status, body } = await call('GET', path, { timeout: 5000 });
    if (status === 401 || status === 403) return location.assign(`/admin/login?next=${encodeURIComponent(location.pathname)}`);
    if (ok) show(body);
    else why = body.detail;
    setTimeout(follow, 1000 + Math.random() * 1000);
  };
}
follow();

setInterval(() => {
  const silent = (performance.now() - heard) / 1000;
  const words = silent < 3 ? '' : `These numbers are ${silent < 60 ? 'some seconds' : 'more than a minute'} old. ${why || 'The connection is lost.'} We keep asking.`;
  stale.hidden = !words;
  if (stale.textContent !== words) stale.textContent = words;
}, 1000);
