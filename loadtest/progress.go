package loadtest

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// meter is a sink that knows how the run goes now; it keeps a few bytes a fan.
type meter struct {
	mu   sync.Mutex
	fans map[int]place
	now  reading
	took *hdrhistogram.Histogram // since the last reading
}

// place is where a fan stands for the meter.
type place byte

const (
	outside place = iota
	inLine
	letIn
	holder
)

// reading is what a meter shows.
type reading struct {
	Alive, Waiting, Admitted, Bought, Errors int
	P99                                      float64 // milliseconds
	RSS                                      int64   // bytes that the process holds; 0: not known
}

func newMeter() *meter {
	return &meter{fans: make(map[int]place), took: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 2)}
}

// See counts o.
func (m *meter) See(o record.Observation) {
	if o.Fan < 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	was, known := m.fans[o.Fan]
	is := was
	switch {
	case o.Step == record.StepEnd && !known:
		return // it had not got an answer yet
	case o.Step == record.StepEnd:
		if was == inLine {
			m.now.Waiting--
		}
		m.now.Alive--
		delete(m.fans, o.Fan)
		return
	case o.Lobby || o.Line != nil && o.Line.Standing == ropeline.StandingWaiting && was == outside:
		is = inLine
	case o.Line != nil && o.Line.Standing == ropeline.StandingAdmitted && was < letIn:
		is = letIn
		m.now.Admitted++
	case o.Sale != nil && o.Sale.Order != "" && o.Sale.State == "paid" && was != holder:
		is = holder
		m.now.Bought++
	}
	if !known {
		m.now.Alive++
	}
	if (was == inLine) != (is == inLine) {
		if is == inLine {
			m.now.Waiting++
		} else {
			m.now.Waiting--
		}
	}
	m.fans[o.Fan] = is
	if o.Status >= 500 || o.Code == "transport" && o.Step != record.StepClosed {
		m.now.Errors++
	}
	if o.Took > 0 {
		m.took.RecordValue(min(o.Took+o.Late, int64(time.Minute/time.Microsecond)))
	}
}

func (m *meter) read() reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now
	now.P99 = float64(m.took.ValueAtQuantile(99)) / 1e3
	m.took.Reset()
	now.RSS = residentBytes()
	return now
}

// progress shows the readings: on a terminal one line that is written over each
// second, elsewhere a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time

	mu    sync.Mutex
	shown time.Time
	first int64   // RSS before the first fan, all processes together
	most  reading // when most fans were alive
}

// plainEvery is how often a line is written where it cannot be written over.
const plainEvery = 10 * time.Second

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, began: time.Now()}
	if file, ok := w.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return p
}

// follow shows what read gives until stop is called.
func (p *progress) follow(read func() []reading) (stop func()) {
	done := make(chan struct{})
	var showing sync.WaitGroup
	p.show(read())
	showing.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.show(read())
			}
		}
	})
	return func() { close(done); showing.Wait() }
}

func (p *progress) show(all []reading) {
	var sum reading
	for _, r := range all {
		sum.Alive += r.Alive
		sum.Waiting += r.Waiting
		sum.Admitted += r.Admitted
		sum.Bought += r.Bought
		sum.Errors += r.Errors
		sum.P99 = max(sum.P99, r.P99)
		sum.RSS += r.RSS
	}
	p.mu.Lock()
	if sum.Alive == 0 && p.most.Alive == 0 {
		p.first = sum.RSS
	}
	if sum.Alive > p.most.Alive {
		p.most = sum
	}
	show := p.terminal || time.Since(p.shown) >= plainEvery
	if show {
		p.shown = time.Now()
	}
	p.mu.Unlock()
	if !show {
		return
	}
	begin, end := "", "\n"
	if p.terminal {
		begin, end = "\r\033[K", ""
	}
	fmt.Fprintf(p.w, "%s%6.0fs  %d fans  %d waiting  %d let in  %d bought  %d errors  p99 %.0f ms%s",
		begin, time.Since(p.began).Seconds(), sum.Alive, sum.Waiting, sum.Admitted, sum.Bought, sum.Errors, sum.P99, end)
}

// weight tells what the fans weighed when most of them were there.
func (p *progress) weight() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most.RSS == 0 || p.most.Alive < 1000 {
		return ""
	}
	return fmt.Sprintf("%d fans at once weighed %.1f MiB in the tester, %.1f KiB each",
		p.most.Alive, float64(p.most.RSS-p.first)/(1<<20), float64(p.most.RSS-p.first)/1024/float64(p.most.Alive))
}

// residentBytes is what this process holds of memory; 0 where /proc does not
// tell.
func residentBytes() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(raw), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// end leaves the line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}
