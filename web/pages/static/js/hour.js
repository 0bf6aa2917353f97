// The last hour of a sale in four plots: samples that the server kept, and
// behind them what the stream tells.
import { call } from './api.js';
import { plot } from './plot.js';

const hour = 3600000;
const every = 5000; // ms between samples
const pace = 30000; // over how long admissions per minute are taken

export function lastHour(root, event) {
  const figure = (name) => root.querySelector(`[data-plot=${name}]`);
  let samples = []; // {t, waiting, shoppers, most, rate, admitted, epoch, sold: {type: n}}
  let types; // [{id, name}], the first few
  let show;
  let newest = 0; // of what was loaded

  function begin(stock) {
    types = stock.slice(0, 6);
    const draw = [
      plot(figure('line'), [{ name: 'in line', kind: 'area' }], { ago: true }),
      plot(figure('pace'), [{ name: 'let in a minute', kind: 'area' }, { name: 'set', kind: 'dash' }], { ago: true }),
      plot(figure('shop'), [{ name: 'in the shop', kind: 'area' }, { name: 'at most', kind: 'dash' }], { ago: true }),
      plot(figure('sold'), types.map((type) => ({ name: type.name, kind: 'line' })), { ago: true }),
    ];
    show = (...lists) => {
      const to = samples.at(-1)?.t || Date.now();
      const from = Math.max(to - hour, Math.min(samples[0]?.t ?? to, to - 300000)); // a young sale fills the plot
      draw.forEach((one, i) => one(lists[i], { from, to, gap: 3 * every }));
    };
    load();
  }

  async function load() {
    const { ok, body } = await call('GET', `/admin/events/${event}/samples?minutes=60`);
    if (!ok) return;
    const kept = [];
    for (const s of body.samples) {
      const point = { waiting: s.waiting, shoppers: s.shoppers, most: s.max_shoppers, rate: s.rate, admitted: s.admitted, epoch: s.epoch, sold: s.sold };
      for (let t = Date.parse(s.at); t <= Date.parse(s.until); t += every) kept.push({ t, ...point });
    }
    newest = kept.at(-1)?.t || 0;
    samples = [...kept, ...samples.filter((s) => s.t > newest)];
    render();
  }

  // paceAt is admissions per minute over the half minute before a sample.
  function paceAt(i) {
    let from = i;
    while (from > 0 && samples[i].t - samples[from].t < pace && samples[from].t - samples[from - 1].t <= 3 * every) from--;
    const ms = samples[i].t - samples[from].t;
    if (ms < every || samples[from].epoch !== samples[i].epoch) return null;
    return (Math.max(0, samples[i].admitted - samples[from].admitted) * 60000) / ms;
  }

  function render() {
    show(
      samples.map((s) => ({ t: s.t, v: [s.waiting] })),
      samples.map((s, i) => ({ t: s.t, v: [paceAt(i), s.rate] })),
      samples.map((s) => ({ t: s.t, v: [s.shoppers, s.most] })),
      samples.map((s) => ({ t: s.t, v: types.map((type) => s.sold[type.id] ?? null) })),
    );
  }

  return function live(now) {
    if (!show) begin(now.stock);
    const t = Date.parse(now.at);
    const last = samples.at(-1);
    if (last && t - last.t > 6 * every) load(); // this page slept
    // The newest point follows the stream; every five seconds one stays.
    if (samples.length > 1 && t - samples.at(-2).t < every && last.t > newest) samples.pop();
    samples.push({
      t, waiting: now.line.waiting, shoppers: now.shoppers, most: now.rules.max_shoppers, rate: now.rate_now, admitted: now.line.admitted, epoch: now.line.epoch,
      sold: Object.fromEntries(now.stock.map((type) => [type.id, type.sold])),
    });
    samples = samples.filter((s) => s.t > t - hour - every);
    render();
  };
}
