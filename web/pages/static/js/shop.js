// The shop: choose → asking → held → payment. A reload at any step goes on
// where it was, because each request's key and each answer are kept.
import { call, passing, pause } from './api.js';
import { keep, kept, key } from './keep.js';
import { price } from './money.js';
import { remain } from './words.js';
import { down, now, stop } from './clock.js';
import { steppers } from './steppers.js';
import { follow as listen } from './live.js';

const root = document.getElementById('shop');
const { event } = root.dataset;
const field = (id) => root.querySelector(`[data-f=${id}]`);
const until = Number(field('until').dataset.at);
const names = { asked: `ropeline:asked:${event}`, held: `ropeline:held:${event}`, order: `ropeline:order:${event}`, email: 'ropeline:email' };

let scene = 'choose';
let over = false;

function go(to) {
  scene = to;
  for (const part of root.querySelectorAll('[data-scene]')) part.hidden = part.dataset.scene !== to;
}

function trouble(text) {
  field('trouble').textContent = text;
  field('trouble').hidden = !text;
  if (text) field('trouble').scrollIntoView({ block: 'nearest' });
}

function end(title, words, href, link) {
  if (title) {
    field('overtitle').textContent = title;
    field('overwords').textContent = words;
    field('overlink').textContent = link;
    field('overlink').href = href;
  }
  field('timer').hidden = true;
  go('over');
}

const choice = steppers(field('choose'), (items, total) => {
  field('sum').textContent = total;
  field('reserve').disabled = items.length === 0 || over;
});

// — reserve —

field('choose').addEventListener('submit', (submit) => {
  submit.preventDefault();
  const items = choice.items();
  if (!items.length) return;
  const asked = { key: key(), items };
  keep(names.asked, asked);
  reserve(asked);
});

async function reserve(asked) {
  trouble('');
  go('asking');
  for (let turn = 0; ; turn++) {
    const answer = await call('POST', `/events/${event}/reserve-tickets`, {
      body: { items: asked.items }, headers: { 'Idempotency-Key': asked.key, Prefer: 'wait=5' },
    });
    if (answer.ok) {
      keep(names.asked, undefined);
      keep(names.held, answer.body.id);
      return follow(answer.body);
    }
    if (!passing(answer)) {
      keep(names.asked, undefined);
      return refused(answer.body);
    }
    trouble('The connection is shaky. Your request is kept, and we keep trying: it is never made twice.');
    await pause(turn);
  }
}

// follow asks for the clerk's answer until there is one.
async function follow(reservation) {
  for (let turn = 0; reservation.state === 'queued'; turn++) {
    await pause(turn, 2000);
    const answer = await call('GET', `/reservations/${reservation.id}`);
    if (answer.ok) reservation = answer.body;
    else if (!passing(answer)) return refused(answer.body);
  }
  if (reservation.state === 'held') return hold(reservation);
  keep(names.held, undefined);
  if (reservation.state === 'rejected') return refused({ code: reservation.reason, detail: reservation.message });
  if (reservation.state === 'converted') {
    return end('You have ordered these tickets', 'The order goes on, in the payment or in your tickets.', '/users/me/tickets', 'My tickets');
  }
  back(reservation.state === 'expired' ? 'The time of the hold ran out, and the tickets went back on sale. You can choose again.' : '');
}

const refusals = {
  sold_out: 'Somebody was faster: not enough of these tickets are left. Nothing was reserved; choose again from what is left.',
  limit_exceeded: 'That is more than one fan may have, together with what you hold or bought already. Nothing was reserved.',
  sale_closed: 'The sale has ended. Nothing was reserved.',
  not_open: 'The sale is not open. Nothing was reserved.',
};

function refused(problem) {
  keep(names.held, undefined);
  if (['no_pass', 'pass_expired', 'pass_used', 'pass_invalid'].includes(problem.code)) return end();
  back(refusals[problem.code] || problem.detail || 'That did not work. Nothing was reserved.');
}

function back(words) {
  if (over) return end();
  choice.clear();
  go('choose');
  trouble(words);
  look();
}

// — held —

let held;

function hold(reservation) {
  held = reservation;
  trouble('');
  const rows = reservation.items.map((item) => {
    const row = document.createElement('tr');
    const name = document.createElement('th');
    const cost = document.createElement('td');
    name.scope = 'row';
    name.textContent = `${item.quantity} × ${choice.nameOf(item.ticket_type)}`;
    cost.textContent = price({ minor: item.unit.minor * item.quantity, currency: item.unit.currency });
    row.append(name, cost);
    return row;
  });
  field('bill').replaceChildren(...rows);
  field('total').textContent = price(reservation.total);
  field('order').email.value ||= kept(names.email) || '';
  go('held');
  field('say').textContent = `Reserved. The tickets are held for you for ${remain((Date.parse(reservation.deadline) - now()) / 1000)}.`;
  down(field('hold'), Date.parse(reservation.deadline), lapsed);
}

async function lapsed() {
  if (scene !== 'held') return;
  keep(names.held, undefined);
  keep(names.order, undefined);
  back('The time of the hold ran out, and the tickets went back on sale. You can choose again.');
}

field('back').addEventListener('click', async () => {
  const answer = await call('DELETE', `/reservations/${held.id}`);
  if (!answer.ok && passing(answer)) return trouble('No connection. The tickets are still held; try again.');
  stop(field('hold'));
  keep(names.held, undefined);
  keep(names.order, undefined);
  back('');
});

// — order —

field('order').addEventListener('submit', (submit) => {
  submit.preventDefault();
  const email = submit.target.email.value.trim();
  keep(names.email, email);
  const before = kept(names.order);
  const same = before && before.body.reservation === held.id && before.body.email === email;
  const asked = same ? before : { key: key(), body: { reservation: held.id, email } };
  keep(names.order, asked);
  order(asked);
});

async function order(asked) {
  const button = field('pay');
  button.disabled = true;
  for (let turn = 0; ; turn++) {
    const answer = await call('POST', '/orders', { body: asked.body, headers: { 'Idempotency-Key': asked.key } });
    if (answer.ok) {
      const { id, state, payment } = answer.body;
      return location.assign(state === 'pending' && payment?.page ? payment.page : `/orders/${id}`);
    }
    if (!passing(answer)) {
      keep(names.order, undefined);
      button.disabled = false;
      if (answer.body.code === 'reservation_expired' || answer.body.code === 'reservation_ended') return lapsed();
      if (answer.body.code === 'order_exists') {
        return end('You have ordered these tickets', 'There is an order for them already; it may be open in another tab.', '/users/me/tickets', 'My tickets');
      }
      return trouble(answer.body.detail);
    }
    trouble('The connection is shaky. Your order is kept, and we keep trying: it is never made twice.');
    await pause(turn);
  }
}

// — time and stock —

down(field('left'), until, () => {
  over = true;
  field('timer').hidden = true;
  if (scene === 'choose') end();
  if (scene === 'held') trouble('Your time to choose has ended. What you hold stays yours until its own time runs out: go on to payment.');
});
field('timer').classList.toggle('short', until - now() < 60000);
setTimeout(() => field('timer').classList.add('short'), Math.max(0, Math.min(2 ** 31 - 1, until - now() - 60000)));

// The stock comes with the frames of the line, at once; where there is no
// socket, by asking.
let live = false;
listen(`/events/${event}/queue`, {
  status(news) {
    const told = news.announcement?.text || '';
    field('announced').hidden = !told;
    if (field('announced').textContent !== told) field('announced').textContent = told;
    if (!news.stock || scene !== 'choose') return;
    const words = choice.stock(news.stock);
    if (words) trouble(words);
  },
  link(state) {
    live = state === 'live';
  },
  lost() {
    live = false;
  },
});

let looking;
async function look() {
  clearTimeout(looking);
  if (scene === 'over') return;
  if (scene === 'choose' && !document.hidden) {
    const { ok, body } = await call('GET', `/events/${event}`);
    if (ok && scene === 'choose') {
      const words = choice.stock(body.ticket_types);
      if (words) trouble(words);
      if (body.canceled_at) end('The event is canceled', 'It will not take place, and nothing was reserved for you. What was bought is given back by itself.', `/events/${event}`, 'To the event');
      else if (body.phase === 'closed') end('The sale has ended', 'No more tickets are sold for this event. What you bought stays yours.', '/users/me/tickets', 'My tickets');
    }
  }
  looking = setTimeout(look, (live ? 15000 : 2000) * (0.9 + Math.random() * 0.2));
}
document.addEventListener('visibilitychange', () => document.hidden || look());

// — where this tab was —

// The back button shows this page from memory: what was ordered or ran out
// meanwhile is told by a fresh one.
addEventListener('pageshow', (show) => show.persisted && location.reload());

async function resume() {
  const asked = kept(names.asked);
  if (asked) return reserve(asked);
  const id = kept(names.held) || root.dataset.reservation;
  if (!id) return;
  go('asking');
  for (let turn = 0; ; turn++) {
    const answer = await call('GET', `/reservations/${id}`);
    if (answer.ok) return follow(answer.body);
    if (!passing(answer)) {
      keep(names.held, undefined);
      return back('');
    }
    trouble('No connection to the box office. We keep trying.');
    await pause(turn);
  }
}
resume().then(look);
