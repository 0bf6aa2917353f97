// The print button of an order with tickets.
for (const button of document.querySelectorAll('[data-do=print]')) {
  button.hidden = false;
  button.addEventListener('click', () => window.print());
}
