// The sandbox's payment page: says to the gateway how the payment shall go.
import { call } from './api.js';
import { down } from './clock.js';

const { ref, secret, order } = document.getElementById('sandbox').dataset;
const trouble = document.querySelector('[data-f=trouble]');
const card = document.querySelector('[data-f=card]');
const buttons = document.querySelectorAll('[data-outcome]');
const back = () => location.assign(`/orders/${order}`);

for (const time of document.querySelectorAll('time[data-until]')) down(time, Number(time.dataset.until), () => setTimeout(back, 1500));

for (const button of buttons) {
  button.addEventListener('click', async () => {
    for (const b of buttons) b.disabled = true;
    trouble.hidden = true;
    const answer = await call('POST', `/sandbox/intents/${ref}/confirm`, { body: { client_secret: secret, outcome: button.dataset.outcome, card: card.value } });
    const again = answer.ok && (answer.body.decline || answer.body.state === 'action_required');
    if (answer.ok && !again) return back();
    trouble.textContent = words(answer);
    trouble.hidden = false;
    for (const b of buttons) b.disabled = false;
  });
}

function words(answer) {
  if (answer.status === 0) return 'No connection. Look at your order before you try again.';
  if (!answer.ok) return answer.body.detail;
  if (answer.body.decline) return 'The bank declined the payment. Nothing was taken; you can try again while the tickets are held.';
  return 'Your bank asks whether it is you. Press Pay to say yes.';
}

// The back button shows this page from memory: the payment may be done.
addEventListener('pageshow', (show) => show.persisted && location.reload());
