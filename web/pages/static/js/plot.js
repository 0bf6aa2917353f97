// A plot over time: lines, areas, bars and dashed steps over one axis, with the
// values of a moment under the pointer, by the arrow keys, and as a table.
// A series is {name, kind: line | area | bar | dash}; a point {t, v: [one value
// for each series, or null]}, the oldest first.
import { count } from './words.js';

const space = 'http://www.w3.org/2000/svg';
const [left, top, right, bottom] = [48, 8, 8, 26]; // margins, px
const rows = 60; // of the table, at most

function draw(parent, name, attributes, text) {
  const element = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function make(name, attributes = {}, ...inside) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...inside);
  return element;
}

// round goes up to 1, 2 or 5 times a power of ten.
function round(n) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, n)));
  return power * [1, 2, 5, 10].find((m) => m * power >= n);
}

const short = (n) => (n >= 1e6 ? `${+(n / 1e6).toFixed(1)}M` : n >= 1e4 ? `${+(n / 1e3).toFixed(1)}k` : count(+n.toFixed(1)));
const clock = (t) => new Date(t).toLocaleTimeString('en-GB');
const value = (n) => (n === null || n === undefined ? '–' : count(Math.round(n * 10) / 10));

// plot fills a figure and returns show(points, {from, to, gap}): the time shown,
// and after how many milliseconds without a point a line is broken.
export function plot(figure, series, { ago = false } = {}) {
  const title = figure.querySelector('h3').textContent;
  const at = make('time');
  const cells = series.map(() => make('b'));
  const readout = make('p', { className: 'readout' }, at, ...series.map((s, i) =>
    make('span', {}, make('i', { className: `key s${i + 1} ${s.kind}` }), `${s.name} `, cells[i])));
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  const slider = make('input', { type: 'range', min: 0, max: 0, value: 0 });
  slider.setAttribute('aria-label', `Moment in the plot “${title}”`);
  const body = make('tbody');
  const table = make('details', {}, make('summary', { textContent: 'As a table' }), make('div', { className: 'scroll' },
    make('table', {}, make('caption', { className: 'sr', textContent: title }),
      make('thead', {}, make('tr', {}, ...['Time', ...series.map((s) => s.name)].map((name) => make('th', { scope: 'col', textContent: name })))), body)));
  table.querySelector('.scroll').tabIndex = 0;
  figure.append(readout, svg, slider, table);

  let points = [];
  let span = { from: 0, to: 1, gap: 15000 };
  let chosen = -1; // a point under the pointer or the slider; -1: the newest

  const width = () => Math.max(80, svg.clientWidth - left - right);
  const x = (t) => left + ((t - span.from) / (span.to - span.from)) * width();

  function paint() {
    const height = Math.max(40, svg.clientHeight - top - bottom);
    const high = round(Math.max(4, ...points.flatMap((p) => p.v.map((n) => n ?? 0))) * 1.05);
    const y = (n) => top + height - (n / high) * height;
    svg.replaceChildren();
    for (const n of [0, high / 2, high]) {
      draw(svg, 'line', { class: 'axis', x1: left, x2: left + width(), y1: y(n), y2: y(n) });
      draw(svg, 'text', { x: left - 8, y: y(n) + 4, 'text-anchor': 'end' }, short(n));
    }
    for (const part of [0, 0.5, 1]) {
      const t = span.from + part * (span.to - span.from);
      const minutes = +((span.to - t) / 60000).toFixed(1);
      const words = ago ? (minutes ? `${minutes} min ago` : 'now') : clock(t).slice(0, 5);
      draw(svg, 'text', { x: x(t), y: top + height + 19, 'text-anchor': ['start', 'middle', 'end'][part * 2] }, words);
    }
    series.forEach((s, i) => {
      const name = `${s.kind} s${i + 1}`;
      if (s.kind === 'bar') {
        const step = points.length > 1 ? x(points[1].t) - x(points[0].t) : 8;
        for (const p of points) {
          if (p.v[i]) draw(svg, 'rect', { class: name, x: x(p.t) - step / 2 + 0.5, y: y(p.v[i]), width: Math.max(1, step - 1), height: top + height - y(p.v[i]) });
        }
        return;
      }
      let line = '';
      let area = '';
      let before;
      for (const p of points) {
        const n = p.v[i];
        if (n === null || n === undefined) { before = undefined; continue; }
        const spot = `${x(p.t).toFixed(1)} ${y(n).toFixed(1)}`;
        if (!before || p.t - before.t > span.gap) {
          if (before && area) area += `V${y(0)}Z`;
          line += `M${spot}`;
          area += `M${x(p.t).toFixed(1)} ${y(0)}L${spot}`;
        } else {
          const step = s.kind === 'dash' ? `H${x(p.t).toFixed(1)}V${y(n).toFixed(1)}` : `L${spot}`;
          line += step;
          area += step;
        }
        before = p;
      }
      if (s.kind === 'area' && before) draw(svg, 'path', { class: `fill s${i + 1}`, d: `${area}V${y(0)}Z` });
      draw(svg, 'path', { class: name, d: line });
    });
    const p = points[chosen < 0 ? points.length - 1 : chosen];
    if (p && chosen >= 0) {
      draw(svg, 'line', { class: 'cursor', x1: x(p.t), x2: x(p.t), y1: top, y2: top + height });
      p.v.forEach((n, i) => n !== null && n !== undefined && draw(svg, 'circle', { class: `dot s${i + 1}`, cx: x(p.t), cy: y(n), r: 3.5 }));
    }
    at.textContent = p ? (chosen < 0 && ago ? 'now' : clock(p.t)) : 'nothing yet';
    series.forEach((s, i) => { cells[i].textContent = p ? value(p.v[i]) : '–'; });
    slider.max = Math.max(0, points.length - 1);
    if (chosen < 0) slider.value = slider.max;
    slider.setAttribute('aria-valuetext', p ? `${clock(p.t)}: ${series.map((s, i) => `${s.name} ${value(p.v[i])}`).join(', ')}` : 'nothing yet');
  }

  function list() {
    if (!table.open) return;
    const every = Math.max(1, Math.ceil(points.length / rows));
    const few = points.filter((p, i) => (points.length - 1 - i) % every === 0).reverse();
    body.replaceChildren(...few.map((p) => make('tr', {}, make('th', { scope: 'row', textContent: clock(p.t) }), ...series.map((s, i) => make('td', { textContent: value(p.v[i]) })))));
  }

  function choose(n) {
    chosen = n >= points.length - 1 && ago ? -1 : n;
    paint();
  }

  svg.addEventListener('pointermove', (move) => {
    const t = span.from + ((move.offsetX - left) / width()) * (span.to - span.from);
    let best = -1;
    points.forEach((p, i) => { if (best < 0 || Math.abs(p.t - t) < Math.abs(points[best].t - t)) best = i; });
    if (best >= 0) { chosen = best; slider.value = best; paint(); }
  });
  svg.addEventListener('pointerleave', () => { chosen = -1; paint(); });
  slider.addEventListener('input', () => choose(Number(slider.value)));
  slider.addEventListener('blur', () => { chosen = -1; paint(); });
  table.addEventListener('toggle', list);
  new ResizeObserver(paint).observe(svg);

  return function show(next, range = {}) {
    const moment = chosen >= 0 ? points[chosen]?.t : undefined;
    points = next;
    span = { ...span, ...range };
    if (moment !== undefined) chosen = points.findIndex((p) => p.t >= moment);
    paint();
    if (!table.contains(document.activeElement)) list();
  };
}
