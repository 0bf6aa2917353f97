// What a person at the door sees, hears and feels of a scan.
import { sounds } from './gatesound.js';

const words = {
  accepted: ['✓', 'Let in'],
  already: ['✕', 'Already in'],
  revoked: ['✕', 'Not valid any more'],
  wrong_event: ['✕', 'Another event'],
  unknown: ['✕', 'No such ticket'],
  bad_signature: ['✕', 'Not a ticket'],
  unsure: ['?', 'Cannot tell'],
};
const voidWords = {
  transfer: 'Given away: only the code of whoever has it now lets in.',
  reissue: 'Replaced by a newer code.',
  refund: 'Its money went back.',
  canceled: 'The event is canceled.',
  organizer: 'Revoked by the organizer.',
};
const closeAfter = 4000;

export const word = (result) => (words[result] || words.unsure)[1];
export const clock = (at) => new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });

const day = (at) => (new Date(at).toDateString() === new Date().toDateString() ? '' : `${new Date(at).toLocaleDateString()} `);

// detail says in a line or two what the result rests on.
export function detail({ result, first, cause, ticket_type: type, offline, why }) {
  const lines = [];
  if (why) lines.push(why);
  if (result === 'accepted' && type) lines.push(type);
  if (result === 'already' && first) lines.push(`${day(first.at)}${clock(first.at)}\n${first.gate}`);
  if (result === 'revoked') lines.push(voidWords[cause] || 'Revoked, given away, or replaced by a newer code.');
  if (result === 'bad_signature') lines.push('This house did not sign the code.');
  if (offline && result === 'accepted') lines.push('Checked offline: another gate that is offline may have let it in too.');
  return lines.join('\n');
}

export function shower(root) {
  const box = root.querySelector('[data-f=result]');
  const part = (name) => box.querySelector(`[data-f=${name}]`);
  let timer;
  return {
    get open() {
      return box.open;
    },
    // show resolves when the result was put away.
    show(answer, loud) {
      clearTimeout(timer);
      const [sign, said] = words[answer.result] || words.unsure;
      box.dataset.result = answer.result;
      box.toggleAttribute('data-bad', sign === '✕');
      part('sign').textContent = sign;
      part('word').textContent = said;
      part('detail').textContent = detail(answer);
      if (loud) sounds(sign);
      if (!box.open) box.showModal();
      part('next').focus();
      if (answer.result === 'accepted') timer = setTimeout(() => box.close(), closeAfter);
      return new Promise((put) => box.addEventListener('close', put, { once: true }));
    },
  };
}

// line is a scan in a list.
export function line(scan) {
  const item = document.createElement('li');
  item.dataset.result = scan.result;
  const said = document.createElement('b');
  said.textContent = word(scan.result);
  const rest = [clock(scan.at), scan.ticket_type, scan.offline && 'offline', scan.first && `first ${clock(scan.first.at)}, ${scan.first.gate}`, scan.why, scan.ticket && `ticket …${scan.ticket.slice(-6)}`];
  item.append(said, rest.filter(Boolean).join(' · '));
  return item;
}
