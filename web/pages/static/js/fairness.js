// Checks a draw in the browser with Web Crypto: what `ropeline verify draw`
// does. It asks the server for the published file and the fan's receipt only.

const root = document.getElementById('fairness');
const button = document.getElementById('check');
const result = document.getElementById('result');
const encoder = new TextEncoder();
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const unhex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

function join(...parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const chunk = 2048; // hashes under way at once

// each computes f of every item, in pieces, and tells how far it is.
async function each(items, f, what) {
  const all = [];
  for (let from = 0; from < items.length; from += chunk) {
    all.push(...await Promise.all(items.slice(from, from + chunk).map(f)));
    if (from % (chunk * 8) === 0) result.textContent = `${what}: ${Math.floor(from * 100 / items.length)} %`;
  }
  return all;
}

// merkle is the tree hash of RFC 6962, level by level: a lone node goes up.
async function merkle(ids) {
  if (!ids.length) return sha256(new Uint8Array());
  let level = await each(ids, (id) => sha256(join([0], encoder.encode(id))), 'Hashing the entrants');
  while (level.length > 1) {
    const pairs = [];
    for (let i = 0; i < level.length; i += 2) pairs.push(level.slice(i, i + 2));
    level = await each(pairs, ([a, b]) => (b ? sha256(join([1], a, b)) : a), 'Building the tree');
  }
  return level[0];
}

function demand(holds, trouble) {
  if (!holds) throw new Error(trouble);
}

async function check() {
  const file = await (await fetch(`/events/${root.dataset.event}/fairness/file`, { cache: 'no-store' })).text();
  const [head, ...ids] = file.trimEnd().split('\n');
  const record = JSON.parse(head);
  const seed = unhex(record.seed);
  demand(hex(await sha256(seed)) === record.commitment, 'The seed is not the one that was committed to.');
  demand(ids.length === record.entrants && ids.every((id, i) => /^[0-9a-v]{26}$/.test(id) && (!i || ids[i - 1] < id)),
    'The list of entrants is not in form.');
  demand(hex(await merkle(ids)) === record.root, 'The root is not the one of these entrants.');
  if (record.mixed_from === 'root') demand(record.value === record.root, 'The value is not the root.');
  else demand(record.mixed_from === record.source, 'The value is not from the promised source.');
  const entropy = await sha256(encoder.encode(record.value));
  demand(hex(entropy) === record.entropy, 'The entropy is not the hash of the value.');
  const key = await crypto.subtle.importKey('raw', join(seed, entropy), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const ranks = await each(ids, async (id) => hex(new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(id)))) + id, 'Computing the numbers');
  ranks.sort();
  return { record, numbers: ranks.map((rank) => rank.slice(64)) };
}

async function mine(numbers) {
  const answer = await fetch(`/events/${root.dataset.event}/receipt`, { headers: { Accept: 'application/json' }, cache: 'no-store' });
  if (!answer.ok) return ' You were not among the entrants.';
  const { fan } = await answer.json();
  const number = numbers.indexOf(fan);
  return number < 0 ? ' We say that you were an entrant, and the list does not have you!' : ` You are fan ${fan}, and your number is ${number.toLocaleString('en')}.`;
}

if (button && crypto.subtle) {
  button.hidden = false;
  document.getElementById('how').textContent = 'Nothing is sent anywhere: the list is downloaded, and your browser computes.';
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      const { record, numbers } = await check();
      result.textContent = `The draw holds: ${record.entrants.toLocaleString('en')} in the lobby, one number each.${await mine(numbers)}`;
      result.dataset.holds = 'yes';
    } catch (trouble) {
      result.textContent = `The draw could not be confirmed. ${trouble.message}`;
      result.dataset.holds = 'no';
    }
    button.disabled = false;
  });
}
