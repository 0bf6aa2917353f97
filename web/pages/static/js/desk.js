// The organizer's desk for one event: asks for the numbers each second.
import { call } from './api.js';
import { gauges } from './gauges.js';
import { phases as steps } from './phases.js';
import { plot } from './plot.js';
import { rules } from './rules.js';

const root = document.getElementById('desk');
const { event } = root.dataset;
const stale = root.querySelector('[data-f=stale]');
const badge = root.querySelector('[data-phase]');
const phases = { announced: 'Announced', lobby: 'Lobby open', drop: 'Draw runs', on_sale: 'On sale', sold_out: 'Sold out', closed: 'Sale ended' };
const parts = [gauges(root), rules(root, event), steps(root, event)];
const sample = plot(root.querySelector('[data-f=plot]'), root.querySelector('[data-f=plotwords]'), event);

let misses = 0;
async function look() {
  const begun = performance.now();
  const { ok, status, body } = await call('GET', `/admin/events/${event}/live`, { timeout: 5000 });
  if (status === 401) return location.assign(`/admin/login?next=${encodeURIComponent(location.pathname)}`);
  misses = ok ? 0 : misses + 1;
  if (ok) {
    for (const part of parts) part(body);
    sample(body.line.admitted, body.rate_now, Date.now());
    badge.textContent = phases[body.phase] || body.phase;
    badge.className = `badge ${body.phase}`;
  }
  stale.hidden = misses < 3;
  stale.textContent = misses < 3 ? '' : `These numbers are ${misses < 60 ? 'some seconds' : 'more than a minute'} old: ${body.detail} We keep asking.`;
  setTimeout(look, Math.max(200, 1000 - (performance.now() - begun)));
}
look();
