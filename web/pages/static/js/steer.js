// The controls of mission control: rate, burst, shoppers, pause and stop, each
// asked once more, and what came of it: how many nodes have confirmed, and when.
import { call } from './api.js';
import { count } from './words.js';

const names = { rate_per_minute: 'Fans let in per minute', burst: 'Burst', max_shoppers: 'Most shoppers at once' };

export function steer(root, event, form) {
  const field = (id) => root.querySelector(`[data-f=${id}]`);
  const quick = field('quick');
  const dialog = field('steerask');
  const pause = field('pause');
  let inForce; // rules, as the server said last
  let sent; // {version, at}: what the organizer waits for
  let yes;

  // ask opens the dialog, and does it when the answer is yes.
  function ask(title, lines, button, act) {
    field('steertitle').textContent = title;
    field('steerlines').replaceChildren(...lines.map((line) => Object.assign(document.createElement('li'), { textContent: line })));
    field('steerwords').textContent = '';
    field('steeryes').textContent = button;
    dialog.returnValue = '';
    yes = act;
    dialog.showModal();
  }
  dialog.addEventListener('close', () => { if (dialog.returnValue === 'yes') yes(); });

  function say(words) {
    if (field('effect').textContent !== words) field('effect').textContent = words;
  }

  async function send(body) {
    sent = { at: performance.now() };
    say('Sent.');
    const answer = await form.send({ ...body, version: form.version() }, true);
    if (answer?.ok) took(answer.body);
    else { sent = undefined; say(answer ? `Not changed: ${answer.body.detail}` : ''); }
  }

  // took knows the rules in force before the next frame tells of them.
  function took(rules) {
    sent.version = rules.version;
    inForce = rules;
    pause.textContent = rules.paused ? 'Go on' : 'Pause';
    if (!quick.dataset.typed) fill();
  }

  quick.hidden = false;
  quick.addEventListener('input', () => { quick.dataset.typed = 'yes'; });
  quick.addEventListener('reset', () => setTimeout(() => { delete quick.dataset.typed; fill(); }));
  quick.addEventListener('submit', async (submit) => {
    submit.preventDefault();
    if (!inForce) return;
    const body = {};
    for (const name of Object.keys(names)) {
      if (Number(quick[name].value) !== inForce[name]) body[name] = Number(quick[name].value);
    }
    const changes = Object.keys(body);
    if (!changes.length) return say('Nothing differs from the rules in force.');
    ask('Change the rules now?', changes.map((name) => `${names[name]}: ${count(inForce[name])} → ${count(body[name])}`), 'Change now', () => { delete quick.dataset.typed; send(body); });
    const answer = await call('POST', `/admin/events/${event}/rules/preview`, { body });
    if (answer.ok && dialog.open) field('steerwords').textContent = answer.body.words;
  });
  for (const button of quick.querySelectorAll('[data-times]')) {
    button.addEventListener('click', () => {
      quick.rate_per_minute.value = Math.max(1, Math.round(Number(quick.rate_per_minute.value) * Number(button.dataset.times)));
      quick.dataset.typed = 'yes';
      quick.requestSubmit();
    });
  }

  pause.hidden = false;
  pause.addEventListener('click', () => {
    if (!inForce) return;
    if (inForce.paused) ask('Go on admitting?', [`Fans are let in again, ${count(inForce.rate_per_minute)} a minute.`], 'Go on', () => send({ paused: false }));
    else ask('Pause admissions?', ['Nobody is let in until you go on. Fans keep their places and are told; who is in the shop stays there.'], 'Pause now', () => send({ paused: true }));
  });

  const stopping = field('stopask');
  field('stop').hidden = false;
  field('stop').addEventListener('click', () => { stopping.returnValue = ''; stopping.showModal(); });
  stopping.addEventListener('close', async () => {
    if (stopping.returnValue !== 'stop') return;
    sent = { at: performance.now() };
    say('Sent.');
    const answer = await call('POST', `/admin/events/${event}/stop`, {});
    if (answer.ok) { took(answer.body); form.adopt(answer.body); }
    else { sent = undefined; say(answer.status === 0 ? 'No connection: nothing is stopped as far as we know. Try again.' : answer.body.detail); }
  });

  function fill() {
    for (const name of Object.keys(names)) if (inForce && document.activeElement !== quick[name]) quick[name].value = inForce[name];
  }

  return function live({ rules, applied }) {
    if (inForce && rules.version < inForce.version) return; // of before what was sent
    inForce = rules;
    if (!quick.dataset.typed) fill();
    pause.textContent = rules.paused ? 'Go on' : 'Pause';
    if (!sent?.version || rules.version < sent.version) return;
    const seconds = ((performance.now() - sent.at) / 1000).toFixed(1);
    if (applied.of && applied.nodes === applied.of) {
      say(`In force: ${applied.of === 1 ? 'the one node that admits has' : `all ${count(applied.of)} nodes that admit have`} confirmed version ${count(rules.version)}, after ${seconds} s.`);
      sent = undefined;
    } else if (!applied.of) {
      say(`Version ${count(rules.version)} is kept. No node admits just now: it counts from the drop on.`);
      sent = undefined;
    } else {
      say(`Version ${count(rules.version)}: ${count(applied.nodes)} of ${count(applied.of)} nodes have confirmed.`);
    }
  };
}
