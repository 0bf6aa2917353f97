// The rows of the shop: how many of each type, what is left, and the sum.
import { price } from './money.js';
import { count } from './words.js';

export function steppers(form, changed) {
  const rows = [...form.querySelectorAll('[data-type]')].map((row) => ({
    row,
    type: row.dataset.type,
    name: row.dataset.name,
    unit: { minor: Number(row.dataset.minor), currency: row.dataset.currency },
    most: Number(row.dataset.most) || 1000,
    left: Number(row.querySelector('[data-left]').dataset.left),
    input: row.querySelector('input'),
    words: row.querySelector('[data-left]'),
  }));
  const top = (r) => (r.left < 0 ? r.most : Math.min(r.most, r.left));
  const quantity = (r) => Math.trunc(Number(r.input.value)) || 0;

  function settle() {
    for (const r of rows) {
      const [less, more] = r.row.querySelectorAll('[data-step]');
      less.disabled = quantity(r) <= 0;
      more.disabled = quantity(r) >= top(r);
      r.input.max = top(r);
      r.input.disabled = r.left === 0;
      r.row.toggleAttribute('data-none', r.left === 0);
    }
    changed(items(), total());
  }

  const items = () => rows.filter((r) => quantity(r) > 0).map((r) => ({ ticket_type: r.type, quantity: quantity(r) }));

  function total() {
    const chosen = rows.filter((r) => quantity(r) > 0);
    if (!chosen.length) return '–';
    return price({ currency: chosen[0].unit.currency, minor: chosen.reduce((sum, r) => sum + r.unit.minor * quantity(r), 0) });
  }

  for (const r of rows) {
    for (const button of r.row.querySelectorAll('[data-step]')) {
      button.addEventListener('click', () => {
        r.input.value = Math.min(top(r), Math.max(0, quantity(r) + Number(button.dataset.step)));
        settle();
      });
    }
    r.input.addEventListener('change', () => {
      r.input.value = Math.min(top(r), Math.max(0, quantity(r)));
      settle();
    });
  }
  settle();

  return {
    items,
    nameOf: (type) => rows.find((r) => r.type === type)?.name || type,
    clear() {
      for (const r of rows) r.input.value = 0;
      settle();
    },
    // stock takes the live numbers and returns words when a choice had to shrink.
    stock(types) {
      const shrunk = [];
      for (const r of rows) {
        const known = types.find((t) => t.id === r.type)?.available;
        if (typeof known !== 'number') continue;
        r.left = Math.max(0, known);
        r.words.textContent = r.left ? `${count(r.left)} left` : 'none left';
        if (quantity(r) > top(r)) {
          shrunk.push(top(r) ? `only ${top(r)} of ${r.name} ${top(r) === 1 ? 'is' : 'are'} left` : `${r.name} is gone for now`);
          r.input.value = top(r);
        }
      }
      settle();
      return shrunk.length ? `While you chose, others were faster: ${shrunk.join(', ')}.` : '';
    },
  };
}
