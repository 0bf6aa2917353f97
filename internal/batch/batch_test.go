package batch

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run starts a batcher that doubles numbers and remembers its calls' sizes.
func run(t *testing.T, o Options, call func(context.Context, []int) []Result[int]) (*Batcher[int, int], func()) {
	t.Helper()
	b := New(o, call)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	var once sync.Once
	end := func() {
		once.Do(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(end)
	return b, end
}

func double(_ context.Context, questions []int) []Result[int] {
	results := make([]Result[int], len(questions))
	for i, q := range questions {
		results[i].Value = 2 * q
	}
	return results
}

func TestEachGetsItsOwnAnswer(t *testing.T) {
	var most atomic.Int64
	b, _ := run(t, Options{Size: 16, Wait: time.Millisecond, Calls: 2, Timeout: time.Second}, func(ctx context.Context, questions []int) []Result[int] {
		if n := int64(len(questions)); n > most.Load() {
			most.Store(n)
		}
		return double(ctx, questions)
	})
	var all sync.WaitGroup
	for i := range 2000 {
		all.Go(func() {
			if got, err := b.Do(t.Context(), i); err != nil || got != 2*i {
				t.Errorf("Do(%d) = %d, %v", i, got, err)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n > 16 || n < 2 {
		t.Errorf("the largest of 2000 requests' batches had %d", n)
	}
}

// While the allowed calls are under way, what comes in leaves together.
func TestRequestsGatherBehindACall(t *testing.T) {
	release, sizes := make(chan struct{}), make(chan int, 3)
	b, _ := run(t, Options{Size: 256, Wait: time.Millisecond, Calls: 1, Timeout: 10 * time.Second}, func(ctx context.Context, questions []int) []Result[int] {
		sizes <- len(questions)
		<-release
		return double(ctx, questions)
	})
	var all sync.WaitGroup
	ask := func() {
		if _, err := b.Do(t.Context(), 1); err != nil {
			t.Error(err)
		}
	}
	all.Go(ask)
	if n := <-sizes; n != 1 {
		t.Fatalf("the first call has %d requests", n)
	}
	for range 50 {
		all.Go(ask)
	}
	for waiting := 0; waiting < 50; runtime.Gosched() {
		b.mu.Lock()
		waiting = len(b.pending)
		b.mu.Unlock()
	}
	close(release)
	if n := <-sizes; n != 50 {
		t.Errorf("the second call has %d requests, want 50", n)
	}
	all.Wait()
}

// A call has its time alone; then another one begins beside it, without anybody
// new asking for it. That holds for a batcher that nobody runs, too.
func TestSlowCallIsNotWaitedFor(t *testing.T) {
	options := Options{Size: 256, Wait: time.Millisecond, Calls: 2, Alone: 20 * time.Millisecond, Timeout: 10 * time.Second}
	for name, make := range map[string]func(func(context.Context, []int) []Result[int]) *Batcher[int, int]{
		"run": func(call func(context.Context, []int) []Result[int]) *Batcher[int, int] {
			b, _ := run(t, options, call)
			return b
		},
		"open": func(call func(context.Context, []int) []Result[int]) *Batcher[int, int] { return Open(options, call) },
	} {
		t.Run(name, func(t *testing.T) { slowCall(t, make) })
	}
}

func slowCall(t *testing.T, open func(func(context.Context, []int) []Result[int]) *Batcher[int, int]) {
	release, began := make(chan struct{}), make(chan int, 3)
	b := open(func(ctx context.Context, questions []int) []Result[int] {
		began <- questions[0]
		if questions[0] == 1 {
			<-release
		}
		return double(ctx, questions)
	})
	var all sync.WaitGroup
	ask := func(n int) {
		if got, err := b.Do(t.Context(), n); err != nil || got != 2*n {
			t.Error(got, err)
		}
	}
	all.Go(func() { ask(1) })
	<-began
	begin := time.Now()
	ask(2) // while the first call goes on
	if waited := time.Since(begin); waited < 15*time.Millisecond {
		t.Errorf("a second call began %v after the first", waited)
	}
	close(release)
	all.Wait()
}

func TestFailureReachesAllOfTheBatch(t *testing.T) {
	down := errors.New("down")
	b, _ := run(t, Options{Size: 8, Calls: 1, Timeout: time.Second}, func(_ context.Context, questions []int) []Result[int] {
		return Fail[int](len(questions), down)
	})
	if _, err := b.Do(t.Context(), 1); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

func TestCallHasADeadline(t *testing.T) {
	b, _ := run(t, Options{Size: 8, Calls: 1, Timeout: 10 * time.Millisecond}, func(ctx context.Context, questions []int) []Result[int] {
		<-ctx.Done()
		return Fail[int](len(questions), ctx.Err())
	})
	if _, err := b.Do(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCallerMayGoAndBatcherMayEnd(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	b, end := run(t, Options{Size: 1, Calls: 1, Timeout: time.Second}, func(ctx context.Context, questions []int) []Result[int] {
		close(began)
		<-release
		return double(ctx, questions)
	})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := b.Do(ctx, 1)
		gone <- err
	}()
	<-began
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(release)
	end()
	if _, err := b.Do(t.Context(), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("who came after the end got %v", err)
	}
}

// A lone request goes at once; those that come within the pace go together,
// when it is over.
func TestPaceGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		var times []time.Duration
		begin := time.Now()
		b := Open(Options{Size: 16, Wait: time.Millisecond, Calls: 2, Pace: Steady(10 * time.Millisecond), Timeout: time.Second}, func(ctx context.Context, questions []int) []Result[int] {
			sizes, times = append(sizes, len(questions)), append(times, time.Since(begin))
			return double(ctx, questions)
		})
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 2 * time.Millisecond) // at 0, 2, … 10 ms
				if got, err := b.Do(t.Context(), i); err != nil || got != 2*i {
					t.Errorf("Do(%d) = %d, %v", i, got, err)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		late := time.Now()
		if _, err := b.Do(t.Context(), 7); err != nil || time.Since(late) > 0 {
			t.Errorf("a lone request waited %s: %v", time.Since(late), err)
		}
		if sizes[0] != 1 || times[0] != 0 || times[1] != 10*time.Millisecond || sizes[1] < 4 {
			t.Errorf("calls of %v at %v", sizes, times)
		}
	})
}
