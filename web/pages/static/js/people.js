// The people of an organization: roles, invitations, keys.
import { call } from './api.js';

const root = document.getElementById('people');
const base = `/admin/organizations/${root.dataset.organization}`;
const field = (id) => root.querySelector(`[data-f=${id}]`);

async function take(method, path, body) {
  const answer = await call(method, base + path, { body });
  field('trouble').hidden = answer.ok;
  field('trouble').textContent = answer.ok ? '' : answer.body.detail;
  return answer;
}
const reload = (answer) => answer.ok && location.reload();

root.addEventListener('change', async ({ target }) => {
  const row = target.closest('[data-account]');
  if (target.dataset.do === 'role') reload(await take('PUT', `/members/${row.dataset.account}`, { role: target.value }));
});
root.addEventListener('click', async ({ target }) => {
  const of = (name) => target.closest(`[data-${name}]`).dataset[name];
  switch (target.dataset.do) {
    case 'remove': return reload(await take('DELETE', `/members/${of('account')}`));
    case 'uninvite': return reload(await take('DELETE', `/invitations/${of('invite')}`));
    case 'revoke': return reload(await take('DELETE', `/keys/${of('key')}`));
    case 'totp': return reload(await take('PUT', '', { totp_required: target.dataset.now !== 'true' }));
  }
});
field('invite').addEventListener('submit', async (submit) => {
  submit.preventDefault();
  const { email, role } = submit.target;
  reload(await take('POST', '/invitations', { email: email.value, role: role.value }));
});
field('key').addEventListener('submit', async (submit) => {
  submit.preventDefault();
  const form = submit.target;
  const scopes = [...form.querySelectorAll('[name=scope]:checked')].map((box) => box.value);
  const answer = await take('POST', '/keys', { name: form.elements.name.value, scopes });
  if (!answer.ok) return;
  field('news').hidden = false;
  field('news').textContent = `The key, shown this once: ${answer.body.token}`;
  form.reset();
});
