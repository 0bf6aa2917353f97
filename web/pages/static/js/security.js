// Setting up the second factor.
import { call } from './api.js';

const root = document.getElementById('security');
const field = (id) => root.querySelector(`[data-f=${id}]`);

async function take(method, body) {
  const answer = await call(method, '/admin/security/totp', { body });
  field('trouble').hidden = answer.ok;
  field('trouble').textContent = answer.ok ? '' : answer.body.detail;
  return answer;
}

root.querySelector('[data-do=begin]')?.addEventListener('click', async () => {
  const { ok, body } = await take('POST', {});
  if (!ok) return;
  field('qr').src = body.qr;
  field('secret').textContent = body.secret;
  field('off').hidden = true;
  field('setup').hidden = false;
});
field('confirm')?.addEventListener('submit', async (submit) => {
  submit.preventDefault();
  const { ok, body } = await take('PUT', { code: submit.target.code.value.trim() });
  if (!ok) return;
  field('list').replaceChildren(...body.recovery_codes.map((code) => {
    const item = document.createElement('li');
    item.className = 'code';
    item.textContent = code;
    return item;
  }));
  field('setup').hidden = true;
  field('codes').hidden = false;
});
field('end')?.addEventListener('submit', async (submit) => {
  submit.preventDefault();
  if ((await take('DELETE', { code: submit.target.code.value.trim() })).ok) location.reload();
});
