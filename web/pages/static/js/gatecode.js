// A ticket's code without the network: reads it and verifies its signature with
// the public keys of GET /events/{id}/gate/keys. The format is told in the doc
// of checkout/ticket_code.go: 100 bytes in base32.
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const IDS = '0123456789abcdefghijklmnopqrstuv';
const BYTES = 100;
const FACTS = 36;

export const tidy = (text) => text.replace(/\s+/g, '').toUpperCase();

// parse gives {key, event, ticket, revision, facts, signature}, or null for
// what is no code of ours by its form.
export function parse(code) {
  const raw = unbase(code);
  if (!raw || raw[0] !== 1) return null;
  return {
    key: raw[1],
    event: id(raw.subarray(2, 18)),
    ticket: id(raw.subarray(18, 34)),
    revision: raw[34] * 256 + raw[35],
    facts: raw.slice(0, FACTS),
    signature: raw.slice(FACTS),
  };
}

function unbase(code) {
  if (code.length !== (BYTES * 8) / 5) return null;
  const raw = new Uint8Array(BYTES);
  let bits = 0, held = 0, at = 0;
  for (const letter of code) {
    const value = LETTERS.indexOf(letter);
    if (value < 0) return null;
    held = ((held & 0xfff) << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      raw[at++] = (held >> bits) & 0xff;
    }
  }
  return raw;
}

// id writes 16 bytes as the house does: base32hex, 26 characters.
function id(bytes) {
  let bits = 0, held = 0, text = '';
  for (const byte of bytes) {
    held = ((held & 0x1f) << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += IDS[(held >> bits) & 31];
    }
  }
  return text + IDS[(held << (5 - bits)) & 31];
}

// able tells whether this browser verifies Ed25519 by itself.
export async function able() {
  try {
    await crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'Ed25519' }, false, ['verify']);
    return true;
  } catch (err) {
    return err?.name === 'DataError'; // it knows the algorithm, and not this key
  }
}

// verify tells true, false, or undefined when the key is not known.
export async function verify(parsed, keys) {
  const found = keys.find((key) => key.id === parsed.key);
  if (!found) return undefined;
  const raw = Uint8Array.from(atob(found.public), (c) => c.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', raw, { name: 'Ed25519' }, false, ['verify']);
  return crypto.subtle.verify({ name: 'Ed25519' }, key, parsed.signature, parsed.facts);
}
