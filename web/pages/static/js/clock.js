// Countdowns on the server's clock: the page carries the server's time, so a
// wrong clock on a phone does not matter.
import { remain } from './words.js';

const skew = Number(document.documentElement.dataset.now) - (performance.timeOrigin + performance.now());
export const now = () => performance.timeOrigin + performance.now() + skew;

const running = new Map();
let timer;

function tick() {
  clearTimeout(timer);
  for (const [element, { until, over }] of running) {
    const left = (until - now()) / 1000;
    element.textContent = remain(left);
    if (left <= 0) {
      running.delete(element);
      over?.();
    }
  }
  if (running.size) timer = setTimeout(tick, 1000 - (now() % 1000));
}

// down counts an element down to a moment in milliseconds, then calls over.
export function down(element, until, over) {
  running.set(element, { until, over });
  clearTimeout(timer);
  timer = setTimeout(tick);
}

export const stop = (element) => running.delete(element);
