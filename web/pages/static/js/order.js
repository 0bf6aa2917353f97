// An order that is not settled yet: look until it changes, then show it anew.
import { call } from './api.js';
import { down } from './clock.js';

const { order, state, payment, review, tickets } = document.getElementById('order').dataset;
for (const time of document.querySelectorAll('time[data-until]')) down(time, Number(time.dataset.until));

let timer;
async function look(turn) {
  clearTimeout(timer);
  if (!document.hidden) {
    const { ok, body } = await call('GET', `/orders/${order}`);
    if (ok && (body.state !== state || (body.payment?.state || '') !== payment || (body.review || '') !== review || body.tickets.length !== Number(tickets))) {
      return location.reload();
    }
  }
  timer = setTimeout(look, Math.min(5000, 1000 + 200 * turn), turn + 1);
}
look(0);
document.addEventListener('visibilitychange', () => document.hidden || look(0));
addEventListener('online', () => look(0));
