// The plot of admissions: one bar for ten seconds, the last ten minutes, and
// the set rate as a dashed line. Samples outlive a reload of the tab.
import { keep, kept } from './keep.js';
import { count } from './words.js';

const space = 'http://www.w3.org/2000/svg';
const slot = 10000; // ms a bar
const bars = 60;
const [left, top, right, bottom] = [44, 10, 4, 28]; // margins, px

function draw(parent, name, attributes, text) {
  const element = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

// round goes up to 1, 2 or 5 times a power of ten.
function round(n) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, n)));
  return power * [1, 2, 5, 10].find((m) => m * power >= n);
}

export function plot(svg, words, event) {
  const box = `ropeline:plot:${event}`;
  let slots = kept(box) || {}; // number of the slot → fans let in
  let seen; // admitted, at the last sample

  return function sample(admitted, rate, at) {
    const current = Math.floor(at / slot);
    if (seen !== undefined) slots[current] = (slots[current] || 0) + Math.max(0, admitted - seen);
    seen = admitted;
    slots = Object.fromEntries(Object.entries(slots).filter(([n]) => n > current - bars));
    keep(box, slots);

    const pace = (n) => (slots[n] || 0) * (60000 / slot);
    const known = Object.keys(slots).map(Number);
    const width = Math.max(100, svg.clientWidth - left - right);
    const height = Math.max(60, svg.clientHeight - top - bottom);
    const high = round(Math.max(rate * 1.2, 10, ...known.map(pace)));
    const y = (value) => top + height - (value / high) * height;
    svg.replaceChildren();
    for (const value of [0, high / 2, high]) {
      draw(svg, 'line', { class: 'axis', x1: left, x2: left + width, y1: y(value), y2: y(value) });
      draw(svg, 'text', { x: left - 8, y: y(value) + 4, 'text-anchor': 'end' }, count(value));
    }
    for (const minutes of [10, 5, 0]) {
      const x = left + width - (minutes / 10) * width;
      draw(svg, 'text', { x, y: top + height + 20, 'text-anchor': minutes === 10 ? 'start' : minutes ? 'middle' : 'end' }, minutes ? `${minutes} min ago` : 'now');
    }
    const step = width / bars;
    for (const n of known) {
      const x = left + (n - current + bars - 1) * step;
      const bar = draw(svg, 'rect', { class: 'bar', x: x + 1, y: y(pace(n)), width: Math.max(1, step - 2), height: (pace(n) / high) * height, rx: 1.5 });
      draw(bar, 'title', {}, `${count(pace(n))} a minute at ${new Date(n * slot).toLocaleTimeString()}`);
    }
    draw(svg, 'line', { class: 'rate', x1: left, x2: left + width, y1: y(rate), y2: y(rate) });
    words.textContent = `The dashed line is the set rate, ${count(rate)} a minute. Bars are ten seconds each, from when this page was opened.`;
  };
}
