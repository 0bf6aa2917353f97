package admission

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ropeline/ropeline/admission/pace"
	"github.com/ropeline/ropeline/internal/pacelog"
)

// PaceReport is what a pace log proves.
type PaceReport struct {
	pacelog.Verified
	First, Last time.Time // of the entries
	Versions    int       // of the rules
	Ticks       int       // that let fans in
	Admitted    int64     // bypasses included
	Bypassed    int64
	NoShows     int64
	Epochs      int   // the first one included; each more, the line was lost and began anew
	Gaps        int   // stretches of ticks that are lost, as the log says itself
	Overtaken   int64 // fans let in after a higher number of the same epoch: those who came back late
	Steps       int   // entries of other kinds, such as the draw's
}

// VerifyPace reads a pace log and checks it without any engine: every hash and
// the signature, that no number was admitted twice in an epoch, and that no
// tick let in more than the rules that the log itself published allow (I3).
// With key, only that key's signature counts.
func VerifyPace(r io.Reader, key ed25519.PublicKey) (PaceReport, error) {
	a := audit{rules: map[int64]Rules{}, seen: map[int64]bool{}, high: -1}
	verified, err := pacelog.Verify(r, key, a.entry)
	a.report.Verified = verified
	return a.report, err
}

// audit replays a log against its own rules.
type audit struct {
	report PaceReport
	rules  map[int64]Rules
	newest int64          // version in the log so far
	seen   map[int64]bool // numbers admitted in this epoch
	high   int64

	bucket State // an upper bound of the real one
	used   int64 // the version that the last tick admitted by; 0 before the first
}

func (a *audit) entry(e pacelog.Entry) error {
	if a.report.First.IsZero() {
		a.report.First = e.At
	}
	a.report.Last = e.At
	switch e.Kind {
	case PaceRules:
		var r paceRules
		if err := json.Unmarshal(e.Data, &r); err != nil {
			return err
		}
		if r.Version != a.newest+1 {
			return fmt.Errorf("version %d of the rules follows version %d", r.Version, a.newest)
		}
		a.newest, a.rules[r.Version] = r.Version, r.rules()
		a.report.Versions++
	case PaceAdmitted:
		var d paceAdmitted
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return err
		}
		return a.admitted(e.At, d)
	case PaceReturned:
		var d paceReturned
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return err
		}
		a.report.NoShows += d.NoShows
		a.bucket.Owed += max(d.NoShows, 0)
	case PaceEpoch:
		clear(a.seen)
		a.high = -1
		a.report.Epochs++
	case PaceGap:
		a.report.Gaps++
	default:
		a.report.Steps++
	}
	return nil
}

func (a *audit) admitted(at time.Time, d paceAdmitted) error {
	spans, err := parseNumbers(d.Numbers)
	if err != nil {
		return err
	}
	sum := int64(0)
	for _, s := range spans {
		sum += s.last - s.first + 1
		if sum > int64(d.Count) {
			break
		}
	}
	if sum != int64(d.Count) || sum > pace.MostBatch {
		return fmt.Errorf("%d admissions and the numbers %s", d.Count, d.Numbers)
	}
	for _, s := range spans {
		for n := s.first; n <= s.last; n++ {
			if a.seen[n] {
				return fmt.Errorf("number %d was admitted before", n)
			}
			a.seen[n] = true
			if !d.Bypass && n < a.high {
				a.report.Overtaken++
			}
		}
		if !d.Bypass {
			a.high = max(a.high, s.last)
		}
	}
	a.report.Ticks++
	a.report.Admitted += sum
	if d.Bypass {
		a.report.Bypassed += sum
	}
	return a.pace(at, d.Rules, sum)
}

// pace holds a tick to the bucket. The log does not tell when between two ticks
// new rules came into force; so what flowed in meanwhile is taken from those
// that allow the most.
func (a *audit) pace(at time.Time, version, n int64) error {
	r, known := a.rules[version]
	if !known {
		return fmt.Errorf("admitted by version %d of the rules, which the log does not have", version)
	}
	now := at.UnixMicro()
	if a.used == 0 {
		a.bucket = pace.Full(r, now)
	}
	between := []Rules{r}
	for v := max(a.used, 1); v < version; v++ {
		between = append(between, a.rules[v])
	}
	a.bucket = loosest(a.bucket, between, now)
	a.used = max(a.used, version)
	if allowed := min(a.bucket.Tokens/Unit+a.bucket.Owed, a.bucket.Ceiling/Unit); allowed < n {
		return fmt.Errorf("the tick let in %d, and the rules allowed %d", n, allowed)
	}
	a.bucket = a.bucket.Spend(n)
	return nil
}

// loosest is the fullest that the bucket can be by any of the rules.
func loosest(s State, rules []Rules, now int64) State {
	burst := slices.MaxFunc(rules, func(a, b Rules) int { return a.Burst - b.Burst }).Burst
	full := s
	for _, r := range rules {
		r.Paused, r.Burst = false, burst
		by := pace.Refill(s, r, now)
		full.Tokens, full.Ceiling = max(full.Tokens, by.Tokens), max(full.Ceiling, by.Ceiling)
		full.At = by.At
	}
	full.Owed = min(full.Owed, int64(burst))
	return full
}

func (r paceRules) rules() Rules {
	return Rules{
		Version: r.Version, RatePerMinute: r.RatePerMinute, Burst: r.Burst, MaxShoppers: r.MaxShoppers, Batch: r.Batch,
		Paused: r.Paused, StockGate: r.StockGate,
		ShowUp: time.Duration(r.ShowUpSeconds) * time.Second, Shop: time.Duration(r.ShopSeconds) * time.Second,
		Schedule: r.Schedule, CompensatePercent: r.CompensatePercent,
	}
}
