// The payment page with Stripe's Payment Element. The card's data stay in
// Stripe's frames; this module mounts them, says how it went, and leads on.
import { down } from './clock.js';
import './reach.js';

const { script: source, key, secret, order } = document.getElementById('stripe').dataset;
const find = (name) => document.querySelector(`[data-f=${name}]`);
const trouble = find('trouble');
const button = find('pay');
const back = () => location.assign(`/orders/${order}`);
const done = ['requires_capture', 'succeeded', 'processing', 'canceled'];
const offline = 'No connection to the payment service. Look at your order before you try again.';

const say = (words) => {
  trouble.textContent = words;
  trouble.hidden = !words;
};

for (const time of document.querySelectorAll('time[data-until]')) down(time, Number(time.dataset.until), () => setTimeout(back, 1500));

// What Stripe says to the payer is meant for the payer; the rest is ours to put.
function words(error) {
  if (error.type === 'card_error' || error.type === 'validation_error') {
    return `${error.message} Nothing was taken; you can try again while the tickets are held.`;
  }
  if (error.type === 'api_connection_error') return offline;
  if (error.code === 'payment_intent_authentication_failure') {
    return 'Your bank could not tell that it is you. Nothing was taken; try again, or another card.';
  }
  return 'The payment did not go through. Look at your order before you try again.';
}

async function start() {
  const stripe = window.Stripe(key);
  const query = new URLSearchParams(location.search);
  if (query.has('payment_intent_client_secret')) {
    // Back from the bank's site. The address held the secret; it goes no further.
    history.replaceState(null, '', location.pathname);
    const { paymentIntent, error } = await stripe.retrievePaymentIntent(secret);
    if (error) say(words(error));
    else if (done.includes(paymentIntent.status)) return back();
    else if (paymentIntent.last_payment_error) say(words(paymentIntent.last_payment_error));
  }
  const elements = stripe.elements({ clientSecret: secret, appearance: { theme: matchMedia('(prefers-color-scheme: dark)').matches ? 'night' : 'stripe' } });
  const element = elements.create('payment');
  element.on('ready', () => { button.disabled = false; });
  element.on('loaderror', () => say(offline));
  element.mount(find('element'));
  find('form').addEventListener('submit', async (submit) => {
    submit.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    say('');
    try {
      const { error } = await stripe.confirmPayment({
        elements, redirect: 'if_required', confirmParams: { return_url: `${location.origin}/orders/${order}/pay` },
      });
      if (!error) return back();
      // An intent that has moved on meanwhile: its order tells how.
      if (done.includes(error.payment_intent?.status)) return back();
      say(words(error));
    } catch {
      say(offline);
    }
    button.disabled = false;
  });
}

// Stripe's own script, from Stripe, as its rules for card data ask; the page's
// policy lets nothing else in.
const script = document.createElement('script');
script.src = source;
script.onload = () => start().catch(() => say(offline));
script.onerror = () => say('The payment form could not be loaded from Stripe. Load this page again, while the tickets are held.');
document.head.append(script);
addEventListener('offline', () => say('You are offline. Your tickets stay held for the time above.'));
addEventListener('online', () => say(''));

// The back button shows this page from memory: the payment may be done.
addEventListener('pageshow', (show) => show.persisted && location.reload());
