// Numbers and times in words; words.go says the same things on the server.

export const count = (n) => Number(n).toLocaleString('en');
export const plural = (n, one, many) => (n === 1 ? one : many);
export const ahead = (p) => (p > 0 ? `${count(p)} ${plural(p, 'person', 'people')} ahead of you` : 'You are next');

// wait turns an estimate {low, high} in seconds, or nothing, into words.
export function wait(range) {
  if (!range) return 'we can’t tell yet';
  if (range.high <= 60) return 'less than a minute';
  const unit = range.high < 5400 ? 60 : 3600;
  const low = Math.floor(range.low / unit);
  const high = Math.ceil(range.high / unit);
  const name = (unit === 60 ? 'minute' : 'hour') + (high === 1 ? '' : 's');
  if (low >= high) return `about ${count(high)} ${name}`;
  return low ? `about ${count(low)}–${count(high)} ${name}` : `up to ${count(high)} ${name}`;
}

// remain writes a countdown of that many seconds.
export function remain(seconds) {
  const two = (n) => String(n).padStart(2, '0');
  const s = Math.max(0, Math.ceil(seconds));
  const d = Math.floor(s / 86400);
  const h = Math.floor(s / 3600) % 24;
  const tail = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return d ? `${d}d ${two(h)}:${tail}` : h ? `${two(h)}:${tail}` : tail;
}
