// Stands in for https://js.stripe.com/v3/ in tests: the same calls, a plain
// field in the place of the frame with the card, and Stripe's API by fetch.
window.Stripe = (key) => {
  const call = async (method, path, query) => {
    const response = await fetch(`https://api.stripe.com/v1/payment_intents/${path}?${new URLSearchParams({ key, ...query })}`, { method });
    return response.json();
  };
  const api = (method, path, query) => call(method, path, query)
    .catch(() => ({ error: { type: 'api_connection_error', message: 'We are experiencing issues connecting to Stripe.' } }));
  const id = (secret) => secret.split('_secret_')[0];
  return {
    elements: ({ clientSecret }) => ({
      clientSecret,
      create: () => {
        const heard = {};
        return {
          on: (name, f) => { heard[name] = f; },
          mount: (where) => {
            const field = document.createElement('input');
            field.id = 'standin';
            field.ariaLabel = 'Card number';
            where.append(field);
            setTimeout(() => heard.ready());
          },
        };
      },
    }),
    retrievePaymentIntent: async (secret) => {
      const paymentIntent = await api('GET', id(secret), { client_secret: secret });
      return paymentIntent.error ? { error: paymentIntent.error } : { paymentIntent };
    },
    confirmPayment: async ({ elements, confirmParams }) => {
      const secret = elements.clientSecret;
      const intent = await api('POST', `${id(secret)}/confirm`, {
        client_secret: secret, 'payment_method_data[card][number]': document.getElementById('standin').value,
      });
      if (intent.error) return { error: intent.error };
      if (intent.status !== 'requires_action') return { paymentIntent: intent };
      // The bank's own site: it asks, and sends the browser back.
      await api('POST', `${id(secret)}/confirm`, { client_secret: secret, authenticated: localStorage.getItem('bank') === 'yes' });
      location.assign(`${confirmParams.return_url}?payment_intent=${id(secret)}&payment_intent_client_secret=${secret}&redirect_status=succeeded`);
      return new Promise(() => {});
    },
  };
};
