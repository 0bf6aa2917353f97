// Amounts in minor units, as words.go writes them.

const makers = new Map();

function maker(currency) {
  if (!makers.has(currency)) makers.set(currency, new Intl.NumberFormat('en', { style: 'currency', currency }));
  return makers.get(currency);
}

export const digits = (currency) => maker(currency).resolvedOptions().maximumFractionDigits;

export const price = ({ minor, currency }) => maker(currency).format(minor / 10 ** digits(currency));

// whole is price without cents, for large sums.
export const whole = ({ minor, currency }) =>
  new Intl.NumberFormat('en', { style: 'currency', currency, maximumFractionDigits: 0 }).format(minor / 10 ** digits(currency));
