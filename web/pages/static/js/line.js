// The waiting page: shows each status, keeps the place, and lets the fan in.
import { follow } from './live.js';
import { ahead, count, plural, wait } from './words.js';
import { down, stop } from './clock.js';

const root = document.getElementById('line');
const event = root.dataset.event;
const path = `/events/${event}/queue`;
const name = root.querySelector('h1').textContent;
const field = (id) => root.querySelector(`[data-f=${id}]`);
const write = (id, text) => root.querySelectorAll(`[data-f=${id}]`).forEach((e) => e.textContent !== text && (e.textContent = text));
const show = (element, on) => (element.hidden = !on);

// What the browser remembers of this line: {place, number, epoch, start}.
const box = `ropeline:line:${event}`;
let memory = {};
try {
  memory = JSON.parse(localStorage.getItem(box)) || {};
} catch { /* storage is off, or another hand wrote it: start anew */ }
function remember(changes) {
  memory = changes && { ...memory, ...changes };
  try {
    memory ? localStorage.setItem(box, JSON.stringify(memory)) : localStorage.removeItem(box);
  } catch { /* works without */ }
  memory ||= {};
}

let scene, last, chime, line, late, said = 0, saidAhead = Infinity;

function sceneOf(s) {
  if (s.standing === 'admitted') return 'turn';
  if (s.standing === 'shopping') return 'shopping';
  if (s.phase === 'closed') return 'closed';
  if (s.standing === 'gone') return 'gone';
  if (!s.standing) return 'absent';
  if (s.standing === 'lobby') return 'lobby';
  return s.phase === 'sold_out' ? 'soldout' : 'waiting';
}

// say speaks to screen readers.
function say(text) {
  said = Date.now();
  write('say', text);
}

function news(text) {
  write('news', text);
  show(field('news'), text);
  if (text) say(text);
}

function render(s) {
  const same = s.number === memory.number;
  if (s.standing) {
    if (memory.epoch && s.epoch > memory.epoch) {
      if (s.number >= 0 && memory.number >= 0) news(same ? `The line was rebuilt after a fault. You keep your number ${count(s.number)}.`
        : `The line was rebuilt after a fault, and your old number could not be kept. Your number is now ${count(s.number)}.`);
    } else if (same && last?.number === s.number && s.position > last.position) {
      if (s.reason) news('Fans who stood ahead of you are back after a fault. You keep your number.');
      else s.position = last.position; // news of an older moment: nobody moves back
    }
    remember({
      number: s.number, epoch: s.epoch, place: s.place || (same && memory.place) || undefined,
      start: same && memory.start >= s.position ? memory.start : Math.max(s.position, Number(root.dataset.start)),
    });
  }
  const before = scene;
  scene = sceneOf(s);
  for (const e of root.querySelectorAll('[data-scene]')) show(e, e.dataset.scene === scene);
  show(field('after'), scene === 'waiting');
  show(field('paused'), s.paused);
  write('announced', s.announcement?.text || '');
  show(field('announced'), s.announcement);
  write('number', count(s.number));
  if (scene === 'waiting') waiting(s);
  if (scene === 'lobby') lobby(s);
  document.title = (scene === 'waiting' ? ahead(s.position) + ' · ' : scene === 'turn' ? '● Your turn · ' : '') + name;
  if (scene !== before && before) arrive();
  if (s.paused !== last?.paused && last && scene === 'waiting') say(s.paused ? 'The line is paused.' : 'The line moves again.');
  if (scene === 'turn') {
    field('enter').pass.value = s.pass || '';
    if (s.pass_until) down(field('pass'), Date.parse(s.pass_until), overdue);
  } else stop(field('pass'));
  if (scene === 'shopping' && s.shop_until) down(field('shop'), Date.parse(s.shop_until), overdue);
  if (scene === 'closed' || scene === 'gone' || scene === 'absent') {
    line?.stop();
    show(field('link'), false);
    if (scene !== 'closed') remember(null);
  }
  last = s;
}

// overdue: a time ran out here; the server's word decides, soon.
function overdue() {
  clearTimeout(late);
  late = setTimeout(() => line?.wake(), 1000 + Math.random() * 3000);
}

function lobby(s) {
  const drawing = s.phase === 'drop';
  if (drawing) write('drawing', 'The draw runs. Your number comes in a moment.');
  show(field('drop').parentNode, !drawing);
  if (!drawing && last?.drop_at !== s.drop_at) down(field('drop'), Date.parse(s.drop_at), overdue);
}

function waiting(s) {
  write('position', count(s.position));
  write('people', plural(s.position, 'person', 'people'));
  show(field('some'), s.position > 0);
  show(field('next'), s.position <= 0);
  write('wait', s.paused ? 'paused' : wait(s.wait));
  write('waiting', count(s.waiting));
  const done = memory.start > 0 ? Math.round((memory.start - s.position) * 100 / memory.start) : 0;
  const way = root.querySelector('.way');
  way.setAttribute('aria-valuenow', done);
  way.querySelector('.cord').setAttribute('stroke-dasharray', `${done} 200`);
  way.querySelector('.you').setAttribute('stroke-dashoffset', -done);
  // Speak when the way ahead has halved, or the door is near; never often.
  const due = s.position <= saidAhead / 2 || (s.position <= 5 && s.position < saidAhead);
  if (due && Date.now() - said > 20000) {
    saidAhead = s.position;
    say(`${ahead(s.position)}. Estimated wait: ${wait(s.wait)}.`);
  }
}

// arrive moves the focus and the attention to a new scene.
function arrive() {
  const title = root.querySelector(`[data-scene=${scene}] h2`);
  say(title.textContent);
  trouble('');
  field('ask').close(); // the question is about another moment
  if (scene === 'turn') {
    chime?.ring('It’s your turn', name);
    field('enter').querySelector('button').focus();
  }
}

function trouble(text) {
  write('trouble', text);
  show(field('trouble'), text);
}

async function call(method, url, body, headers) {
  const answer = await fetch(url, {
    method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(10000),
    headers: { Accept: 'application/json', ...(body && { 'Content-Type': 'application/json' }), ...headers },
  });
  return { ok: answer.ok, body: answer.status === 204 ? {} : await answer.json() };
}

// lost: the server does not know this fan. Show the place, to stand where the
// fan stood; without one, or when it is not good any more, say so.
let rejoining;
async function lost() {
  if (rejoining || scene === 'absent') return;
  if (!memory.place || scene === 'turn' || scene === 'shopping') return render({ ...last, standing: '' });
  rejoining = true;
  try {
    const { number, place } = memory;
    const { ok, body } = await call('POST', path, {}, { 'Ropeline-Place': place });
    if (!ok && body.status < 500 && body.status !== 429) return render({ ...last, standing: '' });
    if (!ok) return;
    render(body);
    if (number >= 0) news(body.number === number ? `You are back at your own number ${count(number)}.`
      : `Your place could not be found again. You have a new number, ${count(body.number)}.`);
  } catch { /* the next poll tries again */ } finally {
    rejoining = false;
  }
}

function link(state, seconds) {
  field('link').dataset.state = state;
  write('linkwords', state === 'live' ? 'Live' : state === 'poll' ? `Checking every ${seconds} s` : 'Connection lost, trying again. Your place is safe.');
}

field('enter').addEventListener('submit', async (submit) => {
  submit.preventDefault();
  const button = submit.target.querySelector('button');
  button.disabled = true;
  trouble('');
  try {
    const { ok, body } = await call('POST', `/events/${event}/enter`, { pass: submit.target.pass.value });
    if (ok) return location.assign(`/events/${event}/shop`);
    trouble(body.detail || 'That did not work. Try again.');
    line.wake();
  } catch {
    trouble('No connection. Your pass stays good until the time runs out: try again.');
  }
  button.disabled = false;
});

for (const button of root.querySelectorAll('[data-do]')) {
  show(button, true);
  button.addEventListener('click', async (click) => {
    const what = button.dataset.do;
    if (what === 'again') remember(null);
    if (what === 'sound') {
      chime = await import('./chime.js');
      button.textContent = await chime.ask();
      button.disabled = true;
    }
    if (what === 'leave') {
      click.preventDefault();
      field('ask').returnValue = '';
      field('ask').showModal();
    }
  });
}

field('ask').addEventListener('close', async () => {
  if (field('ask').returnValue !== 'yes') return;
  try {
    const { ok, body } = await call('DELETE', path);
    if (!ok && body.code !== 'not_in_line') return trouble(body.detail);
    line.stop();
    remember(null);
    location.assign(`/events/${event}`);
  } catch {
    trouble('No connection: you still have your place. Try again.');
  }
});

link('still');
const first = JSON.parse(root.dataset.status);
write('linkwords', 'Connecting');
if (first.standing || memory.place) line = follow(path, { status: render, link, lost, seen: first.offset });
else show(field('link'), false);
if (first.standing) {
  saidAhead = first.position;
  render(first);
} else {
  last = first;
  if (memory.place) line.wake();
}
