// Keeps the status of one line fresh: a WebSocket first, an event stream where
// the network lets no socket through, polling whenever there is neither.
// Everything that many fans might do at the same moment after a restart is
// spread by jitter.

const some = (ms) => ms * (0.85 + Math.random() * 0.3);
const backoff = (n, most) => 500 + Math.random() * Math.min(most, 1000 * 2 ** n);

// follow calls status(object) with every news, link(state, seconds) when the
// connection changes (live | poll | off), and lost(problem) when the server
// says that this fan is not in the line. What comes is not older than seen, the
// offset of the last news. It returns {stop, wake}.
export function follow(path, { status, link, lost, seen = '' }) {
  const address = new URL(path + '/ws', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  let socket, timer, retry, polling, stopped;
  let mute = 0; // polls that were answered while no socket could be had
  let heard = 0; // frames so far: an answer older than a frame is dropped
  let live; // this socket has brought a frame
  let drops = 0;
  let fails = 0;

  function tell(news) {
    seen = news.offset || seen;
    status(news);
  }

  function connect() {
    clearTimeout(retry);
    if (stopped || socket) return;
    const stream = mute > 1;
    live = false;
    address.search = `?offset=${seen}`;
    const mine = (socket = stream ? new EventSource(path + '/sse' + address.search) : new WebSocket(address));
    mine.onmessage = (event) => {
      heard++;
      live = true;
      drops = fails = 0;
      if (!stream) mute = 0;
      clearTimeout(timer);
      const news = JSON.parse(event.data);
      // A silent path to the server looks open: ask when nothing came for long.
      timer = setTimeout(poll, Math.max(60000, 3 * (news.next_ms || 0)));
      link('live');
      tell(news);
    };
    const over = (code) => {
      if (socket !== mine) return;
      clearTimeout(timer);
      if (!stopped) timer = setTimeout(poll, code === 4000 || code === 4004 ? 0 : Math.random() * 2000);
      if (stream && mine.readyState === 0) return; // the browser opens it again, when the server said
      mine.close();
      socket = undefined;
      drops++;
      if (stream) mute = 0; // maybe this network has changed
      // 4003: this fan has too many sockets open; polling serves as well.
      if (!stopped) retry = setTimeout(connect, code === 4003 ? some(60000) : backoff(drops, 60000));
    };
    mine.onclose = (event) => over(event.code);
    if (stream) {
      mine.onerror = () => over();
      mine.addEventListener('end', (event) => over(JSON.parse(event.data).code));
    }
  }

  async function poll() {
    clearTimeout(timer);
    if (stopped || polling) return;
    polling = true;
    const before = heard;
    let next = 5000;
    try {
      const answer = await fetch(`${path}?offset=${seen}`, { headers: { Accept: 'application/json' }, cache: 'no-store', signal: AbortSignal.timeout(8000) });
      const body = await answer.json();
      if (stopped) return;
      if (answer.ok) {
        fails = 0;
        if (!socket) mute++;
        next = body.next_ms || next;
        const open = live && socket?.readyState === 1;
        const fresh = heard !== before || (open && body.offset === seen);
        link(fresh ? 'live' : 'poll', Math.round(next / 1000));
        if (heard === before) tell(body);
        if (open && !fresh) again(); // a path that brought no news is dead
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
      if (!stopped) timer = setTimeout(poll, some(live && socket?.readyState === 1 ? Math.max(next, 60000) : next));
    }
  }

  function again() {
    const old = socket;
    socket = undefined;
    old?.close();
    connect();
  }

  // wake asks at once: a phone's tab that slept comes back to the truth. Another
  // network needs another socket.
  function wake(event) {
    if (stopped || document.hidden) return;
    drops = fails = 0;
    poll();
    if (event?.type === 'online') again();
    else connect();
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
