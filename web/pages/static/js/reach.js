// Says on a page that has room for it that the server cannot be reached.
export function reach(yes) {
  const words = document.querySelector('[data-f=reach]');
  if (words) words.hidden = yes;
}
addEventListener('offline', () => reach(false));
addEventListener('online', () => reach(true));
