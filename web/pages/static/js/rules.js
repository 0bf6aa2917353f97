// The form of the admission rules, their preview, and the history.
import { call } from './api.js';
import { count } from './words.js';

const numbers = ['rate_per_minute', 'burst', 'max_shoppers', 'batch', 'show_up_seconds', 'shop_seconds', 'compensate_percent', 'work'];

export function rules(root, event) {
  const field = (id) => root.querySelector(`[data-f=${id}]`);
  const form = field('rules');
  let version = Number(form.dataset.version);
  let dirty = false;
  let busy = false;
  let asked = ''; // what the preview on the page is for
  let asking;
  const drop = Date.parse(root.dataset.drop);

  function read() {
    const body = { version, paused: form.paused.value === 'true', stock_gate: form.stock_gate.checked };
    for (const name of numbers) body[name] = Number(form[name].value);
    body.schedule = form.schedule.value.split(',').filter((step) => step.trim()).map((step) => {
      const [minutes, rate] = step.split(':').map(Number);
      return { after_drop_seconds: Math.round(minutes * 60), rate_per_minute: rate };
    });
    return body;
  }

  // ramp writes a schedule as the form has it.
  const ramp = (steps) => (steps || []).map((s) =>
    `${Math.round((s.from ? Date.parse(s.from) - drop : s.after_drop_seconds * 1000) / 600) / 100}:${s.rate_per_minute}`).join(', ');

  // fill takes rules in force into the form and makes them what Undo returns to.
  function fill(r) {
    version = r.version;
    for (const name of numbers) form[name].value = form[name].defaultValue = r[name];
    form.schedule.value = form.schedule.defaultValue = ramp(r.schedule);
    form.stock_gate.checked = form.stock_gate.defaultChecked = r.stock_gate;
    pausedIs(r.paused);
    field('version').textContent = count(version);
    dirty = false;
    preview();
  }

  function pausedIs(paused) {
    form.paused.value = form.paused.defaultValue = String(paused);
    field('paused').hidden = !paused;
  }

  // preview asks the server what the rules in the form lead to, when they or
  // the event's numbers have changed, and not while somebody types.
  function preview(state = asked.split('|')[1]) {
    const body = read();
    delete body.version;
    const question = `${JSON.stringify(body)}|${state || ''}`;
    if (question === asked || !form.checkValidity()) return;
    asked = question;
    clearTimeout(asking);
    asking = setTimeout(async () => {
      const answer = await call('POST', `/admin/events/${event}/rules/preview`, { body });
      if (question === asked) field('preview').textContent = answer.ok ? answer.body.words : '';
    }, 400);
  }

  function trouble(text) {
    field('trouble').textContent = text;
    field('trouble').hidden = !text;
  }

  // send puts rules in force; keepTyped leaves the form as it is when something in it is not applied.
  async function send(body, keepTyped) {
    if (busy) return;
    busy = true;
    trouble('');
    const answer = await call('PUT', `/admin/events/${event}/rules`, { body });
    busy = false;
    if (answer.ok) {
      const now = { ...body, ...answer.body };
      keepTyped && dirty ? adopt(now) : fill(now);
      record(now);
    } else if (answer.body.code === 'rules_conflict') {
      trouble('Somebody changed the rules meanwhile. Your numbers are still in the form: compare them with the history below, then apply again.');
      newest();
    } else if (answer.body.code === 'unauthenticated') {
      location.assign(`/admin/login?next=${encodeURIComponent(location.pathname)}`);
    } else {
      trouble(answer.status === 0 ? 'No connection: the rules are unchanged as far as we know.' : answer.body.detail);
    }
    return answer;
  }

  // newest takes the version in force without touching what was typed.
  async function newest() {
    const { ok, body } = await call('GET', `/admin/events/${event}/live`);
    if (ok) adopt(body.rules);
  }

  function adopt(r) {
    version = r.version;
    field('version').textContent = count(version);
    pausedIs(r.paused);
    record(r);
  }

  function record(r) {
    const list = field('history');
    if ([...list.rows].some((row) => row.cells[0].textContent === String(r.version))) return;
    const row = list.insertRow(0);
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = r.version;
    row.append(head);
    const at = r.changed_at ? new Date(r.changed_at) : new Date();
    const when = at.toLocaleString('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' }).replace(',', '');
    for (const text of [when, r.changed_by || '', (r.paused ? 'paused' : count(r.rate_per_minute)) + (ramp(r.schedule) && ` · ${ramp(r.schedule)}`) + (r.compensate_percent ? ` · +${r.compensate_percent} %` : ''), count(r.burst), count(r.max_shoppers),
      `${r.show_up_seconds} s / ${r.shop_seconds} s`, r.stock_gate ? 'on' : 'off']) row.insertCell().textContent = text;
  }

  form.addEventListener('input', () => { dirty = true; preview(); });
  form.addEventListener('reset', () => setTimeout(() => { dirty = false; trouble(''); preview(); }));
  form.addEventListener('submit', (submit) => { submit.preventDefault(); send(read()); });
  function live(data) {
    if (!busy && data.rules.version > version) {
      if (dirty) {
        adopt(data.rules);
        trouble(`The rules were changed meanwhile, by ${data.rules.changed_by || 'somebody'} (version ${data.rules.version}). What you typed is still here, not applied.`);
      } else {
        fill(data.rules);
        record(data.rules);
      }
    }
    // A line that moves asks again only when it has moved by a tenth.
    preview(`${Math.round(Math.log1p(data.line.waiting) * 10)}`);
  }

  return { live, send, adopt, version: () => version };
}
