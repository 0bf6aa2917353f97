// The live numbers of the desk.
import { price, whole } from './money.js';
import { count } from './words.js';

const space = 'http://www.w3.org/2000/svg';

export function gauges(root) {
  const write = (id, text) => {
    const element = root.querySelector(`[data-v=${id}]`);
    if (element.textContent !== text) element.textContent = text;
  };

  return function show(live) {
    const { line, rules, stock = [] } = live;
    const sum = (what) => stock.reduce((n, type) => n + type[what], 0);
    write('waiting', count(line.waiting));
    write('lineNote', `${count(line.left)} gave up${line.epoch > 1 ? `, epoch ${line.epoch}` : ''}`);
    write('shoppers', count(live.shoppers));
    write('shopNote', `of ${count(rules.max_shoppers)} at most`);
    write('pace', live.pace_per_minute === undefined ? '–' : count(Math.round(live.pace_per_minute)));
    write('paceNote', rules.paused ? 'paused' : `set: ${count(live.rate_now)} a minute`);
    write('admitted', count(line.admitted));
    write('admittedNote', `${count(live.entered)} entered, ${count(live.no_shows)} did not come`);
    write('sold', count(sum('sold')));
    write('soldNote', `of ${count(sum('capacity'))}`);
    const [money] = live.money;
    write('revenue', whole({ minor: money.paid - money.refunded, currency: money.currency }));
    write('revenueNote', money.refunded ? `${whole({ minor: money.paid, currency: money.currency })} paid, ${whole({ minor: money.refunded, currency: money.currency })} given back` : 'paid orders');
    const { held = 0 } = live.reservations;
    write('reservations', count(held));
    write('reservationsNote', `held now, ${count(live.funnel.reserved)} fans ever`);
    const { admitted, reserved, bought } = live.funnel;
    const share = (n, of) => (of ? `${Math.round((n / of) * 100)} %` : '–');
    write('conversion', share(bought, admitted));
    write('conversionNote', `of ${count(admitted)} let in ${share(reserved, admitted)} reserved, of them ${share(bought, reserved)} paid`);
    const { paid = 0, pending = 0 } = live.orders;
    write('paid', count(paid));
    write('paidNote', `${count(pending)} not paid yet`);
    write('failed', count(live.failed_payments));
    write('reviews', count(live.reviews));
    const soldOut = live.sold_out;
    write('soldOut', soldOut.state === 'sold_out' ? 'sold out' : soldOut.at ? new Date(soldOut.at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' }) : '–');
    write('soldOutNote', soldOut.words);
    bars(root.querySelector('[data-f=stock]'), stock);
    states(root.querySelector('[data-f=reservations]'), live.reservations);
    states(root.querySelector('[data-f=orders]'), live.orders);
  };
}

function bars(box, stock) {
  if (box.dataset.types !== String(stock.length)) {
    box.dataset.types = stock.length;
    box.replaceChildren(...stock.map(() => {
      const row = document.createElement('div');
      row.className = 'stock';
      const words = document.createElement('p');
      words.append(document.createElement('span'), document.createElement('span'));
      const svg = document.createElementNS(space, 'svg');
      svg.setAttribute('aria-hidden', 'true');
      for (const kind of ['sold', 'held']) {
        const bar = document.createElementNS(space, 'rect');
        bar.setAttribute('class', kind);
        bar.setAttribute('height', '100%');
        svg.append(bar);
      }
      row.append(words, svg);
      return row;
    }));
  }
  stock.forEach((type, i) => {
    const [name, numbers] = box.children[i].querySelectorAll('span');
    const [sold, held] = box.children[i].querySelectorAll('rect');
    const share = (n) => `${type.capacity ? (n / type.capacity) * 100 : 0}%`;
    name.textContent = type.name;
    numbers.textContent = `${count(type.sold)} sold, worth ${price(type.value)}, ${count(type.held)} held, ${count(type.capacity - type.sold - type.held)} left`;
    sold.setAttribute('width', share(type.sold));
    held.setAttribute('x', share(type.sold));
    held.setAttribute('width', share(type.held));
  });
}

// states lists counts by state in the order that the server gives, by name.
function states(list, counts = {}) {
  const names = Object.keys(counts).sort();
  if (list.dataset.names !== names.join()) {
    list.dataset.names = names.join();
    list.replaceChildren(...names.map((name) => {
      const row = document.createElement('div');
      const term = document.createElement('dt');
      term.textContent = name;
      row.append(term, document.createElement('dd'));
      return row;
    }));
  }
  names.forEach((name, i) => { list.children[i].lastChild.textContent = count(counts[name]); });
}
