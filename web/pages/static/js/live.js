// Keeps the status of one line fresh: a WebSocket first, polling whenever
// there is none. Everything that many fans might do at the same moment after a
// restart is spread by jitter.

const some = (ms) => ms * (0.85 + Math.random() * 0.3);
const backoff = (n, most) => 500 + Math.random() * Math.min(most, 1000 * 2 ** n);

// follow calls status(object) with every news, link(state, seconds) when the
// connection changes (live | poll | off), and lost(problem) when the server
// says that this fan is not in the line. It returns {stop, wake}.
export function follow(path, { status, link, lost }) {
  const address = new URL(path + '/ws', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  let socket, timer, retry, polling, stopped;
  let heard = 0; // frames so far: an answer older than a frame is dropped
  let drops = 0;
  let fails = 0;

  function connect() {
    clearTimeout(retry);
    if (stopped || socket) return;
    const mine = (socket = new WebSocket(address));
    mine.onmessage = (event) => {
      heard++;
      drops = fails = 0;
      clearTimeout(timer);
      const news = JSON.parse(event.data);
      // A silent path to the server looks open: ask when nothing came for long.
      timer = setTimeout(poll, Math.max(60000, 3 * (news.next_ms || 0)));
      link('live');
      status(news);
    };
    mine.onclose = (event) => {
      if (socket !== mine) return;
      socket = undefined;
      if (stopped) return;
      drops++;
      // 4003: this fan has too many sockets open; polling serves as well.
      retry = setTimeout(connect, event.code === 4003 ? some(60000) : backoff(drops, 60000));
      const asked = event.code === 4000 || event.code === 4004;
      clearTimeout(timer);
      timer = setTimeout(poll, asked ? 0 : Math.random() * 2000);
    };
  }

  async function poll() {
    clearTimeout(timer);
    if (stopped || polling) return;
    polling = true;
    const before = heard;
    let next = 5000;
    try {
      const answer = await fetch(path, { headers: { Accept: 'application/json' }, cache: 'no-store', signal: AbortSignal.timeout(8000) });
      const body = await answer.json();
      if (stopped) return;
      if (answer.ok) {
        fails = 0;
        next = body.next_ms || next;
        link(heard === before ? 'poll' : 'live', Math.round(next / 1000));
        if (heard === before) status(body);
      } else if (answer.status === 404 || answer.status === 401) {
        lost(body);
      } else {
        next = Math.max(1000 * (body.retry_after || 0), backoff(++fails, 30000));
        link('off');
      }
    } catch {
      next = backoff(++fails, 30000);
      link('off');
    } finally {
      polling = false;
      if (!stopped) timer = setTimeout(poll, some(socket?.readyState === 1 && heard ? Math.max(next, 60000) : next));
    }
  }

  // wake asks at once: a phone's tab that slept comes back to the truth.
  function wake() {
    if (stopped || document.hidden) return;
    drops = fails = 0;
    poll();
    connect();
  }

  const shown = (event) => event.persisted && wake();
  const off = () => link('off');

  function stop() {
    stopped = true;
    clearTimeout(timer);
    clearTimeout(retry);
    removeEventListener('online', wake);
    removeEventListener('pageshow', shown);
    removeEventListener('offline', off);
    document.removeEventListener('visibilitychange', wake);
    socket?.close();
  }

  addEventListener('online', wake);
  addEventListener('pageshow', shown);
  addEventListener('offline', off);
  document.addEventListener('visibilitychange', wake);
  connect();
  timer = setTimeout(poll, some(8000)); // a socket that opens and stays silent
  return { stop, wake };
}
