// The form for a new event.
import { call } from './api.js';
import { minor } from './money.js';
import { count, plural } from './words.js';

const form = document.querySelector('[data-f=form]');
const rows = document.querySelector('[data-f=types]');
const trouble = document.querySelector('[data-f=trouble]');
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function local(ms) {
  const at = new Date(Math.ceil(ms / 60000) * 60000);
  return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

form.zone.value ||= zone;
document.querySelector('span[data-f=zone]').textContent = ` (${zone})`;
form.drop.value ||= local(Date.now() + 15 * 60000);
form.closes.value ||= local(Date.now() + 24 * 3600000);
form.starts.value ||= local(Date.now() + 30 * 24 * 3600000);

const empty = rows.firstElementChild.cloneNode(true);
rows.addEventListener('click', (click) => {
  if (click.target.dataset.do === 'remove' && rows.children.length > 1) click.target.closest('[data-type]').remove();
});
form.querySelector('[data-do=add]').addEventListener('click', () => {
  const row = empty.cloneNode(true);
  rows.append(row);
  row.querySelector('input').focus();
});

form.addEventListener('input', () => {
  const seats = [...rows.querySelectorAll('[name=capacity]')].reduce((sum, e) => sum + Number(e.value), 0);
  const rate = Number(form.rate.value);
  const minutes = Math.ceil(seats / 2 / rate);
  document.querySelector('[data-f=preview]').textContent = seats && rate
    ? `At ${count(rate)} fans a minute who buy two tickets each, ${count(seats)} tickets are sold after about ${count(minutes)} ${plural(minutes, 'minute', 'minutes')}.`
    : '';
});

function fail(words, element) {
  trouble.textContent = words;
  trouble.hidden = false;
  (element || trouble).scrollIntoView({ block: 'center' });
  element?.focus();
}

form.addEventListener('submit', async (submit) => {
  submit.preventDefault();
  trouble.hidden = true;
  const currency = form.currency.value.trim().toUpperCase();
  if (!/^[A-Z]{3}$/.test(currency)) return fail('A currency is three letters, such as EUR.', form.currency);
  const when = (name) => new Date(form[name].value).toISOString();
  const types = [];
  for (const row of rows.children) {
    const value = (name) => row.querySelector(`[name=${name}]`).value;
    const amount = minor(value('price'), currency);
    if (Number.isNaN(amount)) return fail(`“${value('price')}” is not a price in ${currency}.`, row.querySelector('[name=price]'));
    const most = Number(value('most'));
    types.push({ name: value('type'), price: { minor: amount, currency }, capacity: Number(value('capacity')), max_per_order: most, max_per_fan: most });
  }
  const button = submit.submitter || form.querySelector('.large');
  button.disabled = true;
  const answer = await call('POST', '/admin/events', {
    body: {
      draft: submit.submitter?.value === 'draft', name: form.elements.name.value, description: form.description.value,
      venue: { name: form.venue.value, address: form.address.value, city: form.city.value, time_zone: form.zone.value.trim() },
      starts_at: when('starts'), lobby_at: form.lobby.value ? when('lobby') : undefined, drop_at: when('drop'), closes_at: when('closes'), one_per: form.oneper.value, ticket_types: types,
      rules: { rate_per_minute: Number(form.rate.value), burst: Number(form.burst.value), max_shoppers: Number(form.shoppers.value) },
    },
  });
  if (answer.ok) return location.assign(`/admin/events/${answer.body.id}`);
  button.disabled = false;
  fail(answer.status === 0 ? 'No connection. Look at the list of events before you try again: the event may be there.' : answer.body.detail);
});
