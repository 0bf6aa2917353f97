// The phases of an event by hand, fans let in past the line, and the value of the draw.
import { call } from './api.js';

export function phases(root, event) {
  const field = (id) => root.querySelector(`[data-f=${id}]`);
  const ask = field('phaseask');
  const move = field('move');
  let step;

  function trouble(id, answer) {
    field(id).hidden = answer.ok;
    field(id).textContent = answer.ok ? '' : answer.status === 0 ? 'No connection: nothing has changed as far as we know.' : answer.body.detail;
  }

  async function take(body) {
    const answer = await call('POST', `/admin/events/${event}/phase`, { body });
    trouble('phasetrouble', answer);
    if (answer.ok) location.reload();
  }

  for (const button of field('phases').querySelectorAll('[data-step]')) {
    button.addEventListener('click', () => {
      step = button.dataset.step;
      field('phasewords').textContent = `${button.textContent}?`;
      ask.returnValue = '';
      ask.showModal();
    });
  }
  ask.addEventListener('close', () => { if (ask.returnValue === 'yes') take({ step }); });
  move.addEventListener('submit', (submit) => {
    submit.preventDefault();
    take({ step: 'move', drop_at: new Date(move.drop.value).toISOString() });
  });

  field('bypass').addEventListener('submit', async (submit) => {
    submit.preventDefault();
    const form = submit.target;
    const numbers = form.numbers.value.split(/[^0-9]+/).filter(Boolean).map(Number);
    const answer = await call('POST', `/admin/events/${event}/bypass`, { body: { numbers } });
    trouble('pasttrouble', answer);
    field('pastnews').textContent = answer.ok ? `The next ticks let in ${numbers.join(', ')}.` : '';
    if (answer.ok) form.reset();
  });
  field('entropy')?.addEventListener('submit', async (submit) => {
    submit.preventDefault();
    const form = submit.target;
    const answer = await call('PUT', `/admin/events/${event}/entropy`, { body: { value: form.value.value.trim() } });
    trouble('pasttrouble', answer);
    if (answer.ok) location.reload();
  });

  return function live({ phase }) {
    for (const button of field('phases').querySelectorAll('[data-step]')) {
      button.hidden = 'never' in button.dataset || !button.dataset.when.split(' ').includes(phase);
    }
    move.hidden = phase !== 'announced' && phase !== 'lobby';
  };
}
