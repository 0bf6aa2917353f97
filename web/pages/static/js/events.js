// The list of events: countdowns, and a new look when one of them ends.
import { down } from './clock.js';

for (const time of document.querySelectorAll('time[data-until]')) {
  // Spread the reloads: many people look at this page at the drop.
  down(time, Number(time.dataset.until), () => setTimeout(() => location.reload(), 1000 + Math.random() * 4000));
}
