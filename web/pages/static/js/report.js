// The plots of a report.
import { plot } from './plot.js';

const root = document.getElementById('report');
const { steps, stock, step_seconds: seconds } = JSON.parse(root.dataset.report);
const figure = (name) => root.querySelector(`[data-plot=${name}]`);
const types = stock.slice(0, 6);
const at = (step) => Date.parse(step.at);
const range = { from: at(steps[0]), to: at(steps.at(-1)) + seconds * 1000, gap: Infinity };

function draw(name, series, values) {
  plot(figure(name), series)(steps.map((step) => ({ t: at(step), v: values(step) })), range);
}

draw('arrivals', [{ name: 'fans came', kind: 'bar' }], (step) => [step.arrived]);
draw('admissions', [{ name: 'fans let in', kind: 'bar' }], (step) => [step.admitted]);
draw('waits', [{ name: 'half waited less', kind: 'line' }, { name: 'nine of ten', kind: 'dash' }], (step) => [step.waits?.p50 ?? null, step.waits?.p90 ?? null]);
const sums = types.map(() => 0);
draw('sales', types.map((type) => ({ name: type.name, kind: 'line' })), (step) => types.map((type, i) => (sums[i] += step.sold[type.id] || 0)));
