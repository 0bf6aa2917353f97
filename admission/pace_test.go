package admission

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/pacelog"
	"github.com/ropeline/ropeline/queue"
)

// log is the whole published log, in pages of a few.
func (h *house) paceLog(event ropeline.EventID) []byte {
	h.t.Helper()
	var all []byte
	for after := int64(0); ; {
		text, next, err := h.Pace(context.Background(), event, after, 3)
		if err != nil {
			h.t.Fatal(err)
		}
		all = append(all, text...)
		if next == 0 {
			return all
		}
		after = next
	}
}

func TestThePaceLogTellsWhatHappened(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.Burst, rules.Batch, rules.ShowUp = 4, 4, 5*time.Second
	event := h.event(rules)
	places := h.join(event, 10)
	h.tickNow(event) // 0–3
	h.wait(10 * time.Second)
	h.tickNow(event) // 4–7, and four no-shows
	if err := h.Done(t.Context(), event, places[5].Fan); err != nil {
		t.Fatal(err)
	}
	if _, err := h.enterNow(h.shopper(event, places[6].Fan)); err != nil {
		t.Fatal(err)
	}
	if err := h.Done(t.Context(), event, places[6].Fan); err != nil {
		t.Fatal(err)
	}
	rules.Paused = true
	if _, err := h.SetRules(t.Context(), event, rules, 0, "ada@example.org"); err != nil {
		t.Fatal(err)
	}
	text := h.paceLog(event)
	report, err := VerifyPace(bytes.NewReader(text), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if report.Admitted != 8 || report.Ticks != 2 || report.NoShows != 5 || report.Versions != 2 || report.Epochs != 1 || report.Gaps != 0 {
		t.Errorf("%+v\n%s", report, text)
	}
	if bytes.Contains(text, []byte("ada@")) || bytes.Contains(text, []byte(places[0].Fan)) {
		t.Error("the public log names people")
	}
	if _, err := VerifyPace(bytes.NewReader(text), report.PublicKey); err != nil {
		t.Errorf("with the key: %v", err)
	}
	if _, err := VerifyPace(bytes.NewReader(text), make(ed25519.PublicKey, ed25519.PublicKeySize)); err == nil {
		t.Error("another key was as good")
	}
}

// Many nodes log at once while others tick, and each tick is there once.
func TestEveryTickIsLoggedOnce(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.Batch = 3
	event := h.event(rules)
	h.join(event, 200)
	var loggers, tickers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for range 4 {
		loggers.Go(func() {
			for ctx.Err() == nil {
				if err := h.LogPace(t.Context(), event); err != nil {
					t.Errorf("log: %v", err)
					return
				}
			}
		})
	}
	for range 2 {
		tickers.Go(func() {
			for range 50 {
				if _, err := h.Tick(t.Context(), event); err != nil {
					t.Errorf("tick: %v", err)
				}
			}
		})
	}
	tickers.Wait()
	stop()
	loggers.Wait()
	report, err := VerifyPace(bytes.NewReader(h.paceLog(event)), nil)
	if err != nil || report.Admitted != 200 || report.Gaps != 0 || report.Overtaken != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A node that dies between its ticks and the log takes nothing along, and a
// feed that lost entries leaves a gap that the log admits.
func TestLostTicksAreAGap(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.Batch = 1
	event := h.event(rules)
	h.join(event, 6)
	h.tickNow(event)
	if err := h.LogPace(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		h.tickNow(event)
	}
	if err := h.redis.Write.XTrimMaxLen(t.Context(), queue.KeysOf(event).Feed, 2).Err(); err != nil {
		t.Fatal(err)
	}
	report, err := VerifyPace(bytes.NewReader(h.paceLog(event)), nil)
	if err != nil || report.Admitted != 3 || report.Gaps != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := h.redis.Write.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	h.tickNow(event)
	report, err = VerifyPace(bytes.NewReader(h.paceLog(event)), nil)
	if err != nil || report.Epochs != 2 {
		t.Errorf("after a loss: %+v, %v", report, err)
	}
}

// The draw's steps have entries of their own: what the feed tells of them is
// not an epoch.
func TestOnlyTheFirstEntryOfAnEpochBeginsIt(t *testing.T) {
	entries, err := feedEntries("0-0", []queue.FeedEntry{
		{ID: "1-1", Kind: queue.KindResync}, {ID: "1-2", Kind: queue.KindResync},
		{ID: "1-3", Kind: queue.KindAdmitted, Admitted: []queue.Member{{Number: 4}}}, {ID: "2-1", Kind: queue.KindResync}, {ID: "2-3", Kind: queue.KindLeft},
	})
	var kinds []string
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); err != nil || got != "epoch admitted epoch gap" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestTheLoopLogs(t *testing.T) {
	h := newHouse(t)
	event := h.event(quick())
	h.join(event, 5)
	runUntilEnd(t, func(ctx context.Context) error {
		return h.Run(ctx, func(context.Context) ([]ropeline.EventID, error) { return []ropeline.EventID{event}, nil })
	})
	eventually(t, "the ticks are logged", func() bool {
		page, err := pacelog.Read(t.Context(), h.pool, event, 0, 10)
		return err == nil && len(page.Entries) > 2
	})
}

// Whatever is done to a published log, it does not pass any more.
func TestATamperedLogIsFound(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.Batch, rules.Burst = 2, 2
	event := h.event(rules)
	h.join(event, 8)
	for range 4 {
		h.tickNow(event)
		h.wait(time.Second)
	}
	text := string(h.paceLog(event))
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	if _, err := VerifyPace(strings.NewReader(text), nil); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"a changed number":      strings.Replace(text, `"numbers":"2-3"`, `"numbers":"2-4"`, 1),
		"a changed time":        strings.Replace(text, `"at":"2`, `"at":"3`, 1),
		"a changed rate":        strings.Replace(text, `"rate_per_minute":60000`, `"rate_per_minute":90000`, 1),
		"a missing entry":       strings.Join(append(append([]string{}, lines[:1]...), lines[2:]...), ""),
		"a missing head":        strings.Join(lines[:3], ""),
		"a cut end":             strings.Join(lines[:len(lines)-3], "") + lines[len(lines)-1],
		"an entry twice":        lines[0] + text,
		"a broken line":         text + "{",
		"another one's data":    strings.Replace(text, string(event), string(ropeline.NewID[ropeline.EventID]()), 1),
		"nothing":               "",
		"a false signature":     strings.ReplaceAll(text, `"signature":"`, `"signature":"A`),
		"an entry of no object": "[]\n" + text,
	} {
		if bad == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := VerifyPace(strings.NewReader(bad), nil); err == nil {
			t.Errorf("%s was not found", name)
		}
	}
}

// A house that logs honestly what it did too fast is found out by its own log.
func TestATooFastLogIsFound(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst = 60, 3
	event := h.event(rules)
	at := h.now
	admit := func(after time.Duration, numbers string, n int) pacelog.Entry {
		e, err := pacelog.New(PaceAdmitted, at.Add(after), paceAdmitted{Offset: "1-2", Rules: 1, Count: n, Numbers: numbers})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	verify := func(entries ...pacelog.Entry) error {
		event := h.event(rules)
		err := pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error { return pacelog.Append(t.Context(), tx, event, entries...) })
		if err != nil {
			t.Fatal(err)
		}
		_, err = VerifyPace(bytes.NewReader(h.paceLog(event)), nil)
		return err
	}
	if err := verify(admit(0, "0-2", 3), admit(time.Second, "3", 1)); err != nil {
		t.Errorf("as fast as the rules allow: %v", err)
	}
	for name, entries := range map[string][]pacelog.Entry{
		"a burst too large":  {admit(0, "0-3", 4)},
		"a tick too early":   {admit(0, "0-2", 3), admit(999*time.Millisecond, "3", 1)},
		"the same one twice": {admit(0, "0", 1), admit(time.Minute, "0", 1)},
		"a wrong count":      {admit(0, "0-2", 2)},
	} {
		if verify(entries...) == nil {
			t.Errorf("%s was not found", name)
		}
	}
	if _, err := h.pool.Exec(t.Context(), "delete from pace_entries where event_id = $1", event); err == nil {
		t.Error("an entry was deleted")
	}
	if _, err := h.pool.Exec(t.Context(), "truncate pace_entries"); err == nil {
		t.Error("the log was emptied")
	}
}

func TestNumbersAreWrittenShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfDistinct(rapid.Int64Range(0, 60), rapid.ID[int64]).Draw(t, "numbers")
		members := make([]queue.Member, len(numbers))
		for i, n := range numbers {
			members[i].Number = n
		}
		spans, err := parseNumbers(numbersOf(members))
		if err != nil {
			t.Fatal(err)
		}
		back := map[int64]bool{}
		for _, s := range spans {
			for n := s.first; n <= s.last; n++ {
				back[n] = true
			}
		}
		for _, n := range numbers {
			if !back[n] {
				t.Errorf("%d is missing in %s", n, numbersOf(members))
			}
		}
		if len(back) != len(numbers) {
			t.Errorf("%s for %d", numbersOf(members), numbers)
		}
	})
}

func FuzzPaceLog(f *testing.F) {
	f.Add([]byte(`{"event":"e","seq":1,"kind":"admitted","at":"2026-11-23T14:00:00.000000Z","data":{"count":1,"numbers":"0-99999999999"},"prev":"","hash":""}`))
	f.Add([]byte("{\"head\":{}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if report, err := VerifyPace(bytes.NewReader(text), nil); err == nil && report.Head.Seq > 0 {
			t.Errorf("noise passed: %+v", report)
		}
	})
}
