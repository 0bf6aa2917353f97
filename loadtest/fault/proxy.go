package fault

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy passes connections on, as badly as it is told to.
type Proxy struct {
	listener net.Listener
	network  string
	address  string
	passing  sync.WaitGroup

	mu    sync.Mutex
	links map[*link]struct{}
	ended bool

	delay atomic.Int64 // nanoseconds that everything takes longer, each way
	lossy atomic.Uint64
}

// link is one connection through a proxy.
type link struct {
	client, server net.Conn
	luck           float64 // in [0,1): whether a share of the links is meant
	stall          atomic.Pointer[chan struct{}]
}

// NewProxy listens on a free port of 127.0.0.1 and passes on to an address of
// a network, "tcp" or "unix".
func NewProxy(network, address string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, network: network, address: address, links: make(map[*link]struct{})}
	p.passing.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends the proxy and all connections through it.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut(0)
	p.passing.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of files: some may be closed soon
			continue
		}
		p.passing.Go(func() { p.pass(client) })
	}
}

func (p *Proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout(p.network, p.address, 5*time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	l := &link{client: client, server: server, luck: rand.Float64()}
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, server, client, false); l.close() })
	p.pump(l, client, server, true)
	l.close()
	both.Wait()
}

func (l *link) close() {
	l.client.Close()
	l.server.Close()
	if stalled := l.stall.Swap(nil); stalled != nil {
		close(*stalled)
	}
}

// piece is a few bytes on their way.
type piece struct {
	bytes []byte
	due   time.Time
}

// pump moves bytes one way; replies says that it is the way back.
func (p *Proxy) pump(l *link, to io.Writer, from io.Reader, replies bool) {
	buf := make([]byte, 16<<10)
	var late chan piece // begun with the first delay
	defer func() {
		if late != nil {
			close(late)
		}
	}()
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if replies && l.luck < float64(p.lossy.Load())/1e6 {
				return // the request has passed; its reply has not
			}
			if stalled := l.stall.Load(); stalled != nil {
				<-*stalled
				return // such a connection does not come back
			}
			if delay := time.Duration(p.delay.Load()); delay > 0 || late != nil {
				if late == nil {
					late = make(chan piece, 64)
					p.passing.Go(func() { deliver(to, late) })
				}
				late <- piece{append([]byte(nil), buf[:n]...), time.Now().Add(delay)}
			} else if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// deliver writes pieces when they are due; after a failed write it drops them.
func deliver(to io.Writer, late <-chan piece) {
	var failed error
	for one := range late {
		if failed == nil {
			time.Sleep(time.Until(one.due))
			_, failed = to.Write(one.bytes)
		}
	}
}

// Delay makes everything take d longer, each way; 0 ends it.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// LoseReplies lets requests pass and closes their connections instead of
// answering, on a share of the connections; 0 ends it.
func (p *Proxy) LoseReplies(share float64) { p.lossy.Store(uint64(share * 1e6)) }

// Cut closes a share of the connections; 0: all.
func (p *Proxy) Cut(share float64) {
	for _, l := range p.some(share) {
		l.close()
	}
}

// Stall lets nothing pass on a share of the connections, which stay open until
// resume closes them; 0: all. New connections are not meant.
func (p *Proxy) Stall(share float64) (resume func()) {
	links := p.some(share)
	for _, l := range links {
		stalled := make(chan struct{})
		l.stall.CompareAndSwap(nil, &stalled)
	}
	return func() {
		for _, l := range links {
			l.close()
		}
	}
}

func (p *Proxy) some(share float64) (links []*link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if share == 0 || l.luck < share {
			links = append(links, l)
		}
	}
	return links
}
