// What JavaScript adds to the form for a new event: rows without a round trip,
// times to begin with, and the server's preview while somebody types. The form
// works without it.
import { call } from './api.js';

const form = document.querySelector('[data-f=form]');
const rows = document.querySelector('[data-f=types]');
const preview = document.querySelector('[data-f=preview]');

const minutes = 60000;
const begin = Math.ceil(Date.now() / minutes) * minutes;
const usual = { drop: begin + 15 * minutes, closes: begin + 24 * 60 * minutes, starts: begin + 30 * 24 * 60 * minutes };
const written = {};

// suggest writes the usual times by the venue's clock, where nobody wrote one.
function suggest() {
  for (const [name, at] of Object.entries(usual)) {
    if (form[name].value && form[name].value !== written[name]) continue;
    try {
      form[name].value = new Date(at).toLocaleString('sv', { timeZone: form.zone.value.trim() }).replace(' ', 'T').slice(0, 16);
      written[name] = form[name].value;
    } catch {
      return; // not a time zone yet
    }
  }
}

form.zone.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
form.zone.addEventListener('input', suggest);
suggest();

const empty = rows.firstElementChild.cloneNode(true);
for (const input of empty.querySelectorAll('input:not([name=most])')) input.value = '';
const shown = () => rows.querySelectorAll('[data-do=remove]').forEach((button) => { button.hidden = rows.children.length === 1; });
rows.addEventListener('click', (click) => {
  if (click.target.dataset.do !== 'remove') return;
  click.target.closest('[data-type]').remove();
  shown();
  foresee();
});
form.querySelector('[value=row]').addEventListener('click', (click) => {
  click.preventDefault();
  const row = empty.cloneNode(true);
  rows.append(row);
  shown();
  row.querySelector('input').focus();
});
shown();

// foresee asks the server what the numbers lead to, and not while somebody types.
let asking;
let asked = '';
function foresee() {
  const number = (field) => (field.value === '' ? undefined : Number(field.value));
  const body = {
    rate_per_minute: number(form.rate), burst: number(form.burst), max_shoppers: number(form.shoppers), fans: number(form.fans),
    tickets: [...rows.querySelectorAll('[name=capacity]')].reduce((sum, field) => sum + Number(field.value), 0),
  };
  const question = JSON.stringify(body);
  if (question === asked) return;
  asked = question;
  clearTimeout(asking);
  const known = [form.rate, form.burst, form.shoppers, form.fans, ...rows.querySelectorAll('[name=capacity]')].every((field) => field.value === '' || field.checkValidity());
  if (!body.tickets || body.fans === undefined || !known) {
    preview.textContent = '';
    return;
  }
  asking = setTimeout(async () => {
    const answer = await call('POST', '/admin/events/preview', { body });
    if (question === asked) preview.textContent = answer.ok ? answer.body.words : '';
  }, 400);
}
form.addEventListener('input', foresee);
form.querySelector('[value=preview]').hidden = true;
