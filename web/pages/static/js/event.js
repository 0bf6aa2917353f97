// The event page: the countdown, what is left, and joining at the drop.
import { call, passing, pause } from './api.js';
import { count } from './words.js';
import { down, now } from './clock.js';

const root = document.getElementById('event');
const { event, phase } = root.dataset;
const opens = Number(root.dataset.opens);
const form = document.getElementById('join');
const trouble = document.getElementById('trouble');
const box = `ropeline:line:${event}`;

function say(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

function place() {
  try {
    return JSON.parse(localStorage.getItem(box))?.place;
  } catch {
    return undefined;
  }
}

// join asks until the line answers; asking twice gives the same number.
let joining = false;
async function join() {
  if (joining) return;
  joining = true;
  const button = form.querySelector('button');
  const label = button.textContent;
  button.disabled = true;
  button.textContent = 'Joining…';
  let proof; // of the work that joining may cost
  for (let turn = 0; ; turn++) {
    const mine = place();
    const headers = { ...(mine && { 'Ropeline-Place': mine }), ...(proof && { 'Ropeline-Work': proof }) };
    const answer = await call('POST', `/events/${event}/queue`, { body: {}, headers });
    if (answer.ok) return location.assign(`/events/${event}/line`);
    if (answer.body.code === 'work_needed' && turn < 9) {
      const { work } = await import('./work.js');
      if ((proof = await work(event))) continue;
    }
    if (answer.body.code === 'account_required') {
      return location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
    }
    if (answer.body.code === 'place_invalid') {
      try { localStorage.removeItem(box); } catch { /* storage is off */ }
    } else if (answer.body.code !== 'not_open' && !passing(answer)) {
      say(answer.body.detail);
      button.disabled = false;
      button.textContent = label;
      joining = false;
      return;
    }
    if (turn > 1) say(answer.body.code === 'offline' ? 'No connection. We keep trying.' : answer.body.detail + ' We keep trying.');
    await pause(turn);
  }
}

if (form) {
  form.addEventListener('submit', (submit) => {
    submit.preventDefault();
    join();
  });
}

if (phase === 'announced' && form) {
  const auto = document.getElementById('autojoin');
  const how = document.getElementById('how');
  const words = () => {
    how.textContent = auto.checked
      ? 'Leave this page open: it joins for you when the time comes, after a random moment of up to two seconds. Reloading gains nothing.'
      : 'When the time comes, press the button.';
  };
  document.getElementById('auto').hidden = false;
  auto.addEventListener('change', words);
  words();
  down(root.querySelector('[data-before] time'), opens, () => {
    root.querySelector('[data-before]').hidden = true;
    form.querySelector('button').disabled = false;
    if (auto.checked) setTimeout(join, Math.random() * 2000);
  });
  // A phone that slept through the drop runs its timers when it wakes.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && auto.checked && now() >= opens) setTimeout(join, Math.random() * 500);
  });
}

// What is left, as long as somebody looks.
async function look() {
  if (!document.hidden && !joining) {
    const { ok, body } = await call('GET', `/events/${event}`);
    if (ok) {
      for (const type of body.ticket_types) {
        const cell = root.querySelector(`[data-left="${CSS.escape(type.id)}"]`);
        if (cell && typeof type.available === 'number') cell.textContent = type.available > 0 ? count(type.available) : 'none';
      }
      if (phase === 'announced') {
        if (Date.parse(body.lobby_at || body.drop_at) !== opens && now() < opens) { // the organizer moved it
          if (body.phase === phase || !document.getElementById('autojoin').checked) return location.reload();
          join();
        }
      } else if (body.phase !== phase) return location.reload();
    }
  }
  setTimeout(look, 8000 + Math.random() * 4000);
}
if (phase !== 'closed') setTimeout(look, 5000);
