// What the organizer tells everybody who waits or shops.
import { call } from './api.js';

export function announce(root, event) {
  const field = (id) => root.querySelector(`[data-f=${id}]`);
  const form = field('announce');
  const dialog = field('announceask');
  let shown; // id of what is told, as this page knows it

  const clock = (t) => new Date(t).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

  function show(a) {
    shown = a?.id || '';
    field('told').textContent = a ? a.text : 'Nothing is told just now.';
    field('toldnote').textContent = a ? `Since ${clock(a.at)}${a.until ? `, until ${clock(a.until)}` : ', until it is taken back'}${a.by ? `, by ${a.by}` : ''}.` : '';
    field('retract').hidden = !a;
  }

  function trouble(answer) {
    field('announcetrouble').hidden = answer.ok;
    field('announcetrouble').textContent = answer.ok ? '' : answer.status === 0 ? 'No connection: nothing was told as far as we know.' : answer.body.detail;
  }

  form.hidden = false;
  form.text.addEventListener('input', () => { field('announceleft').textContent = `${280 - [...form.text.value].length} characters left`; });
  form.addEventListener('submit', (submit) => {
    submit.preventDefault();
    field('announcetext').textContent = form.text.value.trim();
    dialog.returnValue = '';
    dialog.showModal();
  });
  dialog.addEventListener('close', async () => {
    if (dialog.returnValue !== 'yes') return;
    const answer = await call('PUT', `/admin/events/${event}/announcement`, { body: { text: form.text.value.replace(/\s+/g, ' ').trim(), minutes: Number(form.minutes.value) } });
    trouble(answer);
    if (!answer.ok) return;
    show(answer.body);
    form.reset();
    field('announceleft').textContent = '280 characters left';
  });
  field('retract').addEventListener('click', async () => {
    const answer = await call('DELETE', `/admin/events/${event}/announcement`);
    trouble(answer);
    if (answer.ok) show();
  });

  return function live({ announcement }) {
    if ((announcement?.id || '') !== shown) show(announcement);
  };
}
