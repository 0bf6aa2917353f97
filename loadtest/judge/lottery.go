package judge

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// lottery holds the numbers that fans of the lobby got against the draw as it
// was published: computed here once more, by docs/fairness.md and not by the
// house's code.
type lottery struct {
	finding
	names map[int]string  // fan → the id that the draw knows it by
	got   map[int]int64   // fan → its first number; -1: unheard
	heard map[int]int64   // fan → the epoch in which it heard that
	most  map[int64]int64 // epoch → the highest number that anybody was called by in it
	note  string
}

// unheardCalls is how many numbers may have been called beyond the highest that
// a fan has told of, when Redis was lost.
const unheardCalls = 16

func newLottery() *lottery {
	return &lottery{names: make(map[int]string), got: make(map[int]int64), heard: make(map[int]int64), most: make(map[int64]int64)}
}

func (l *lottery) see(_ *record.RunFacts, o record.Observation) {
	if o.Fan < 0 {
		return
	}
	if o.Step == record.StepJoin && o.Note != "" {
		l.names[o.Fan] = o.Note
	}
	if o.Code == string(ropeline.CodeNotInLine) {
		if _, known := l.got[o.Fan]; !known {
			l.got[o.Fan] = -1 // its drawn number may have been called and have run out unheard; what it gets now is another
		}
	}
	if o.Line == nil {
		return
	}
	switch o.Line.Standing {
	case ropeline.StandingWaiting:
		if _, known := l.got[o.Fan]; !known {
			l.got[o.Fan], l.heard[o.Fan] = o.Line.Number, o.Line.Epoch
		}
	case ropeline.StandingAdmitted, ropeline.StandingShopping:
		l.most[o.Line.Epoch] = max(l.most[o.Line.Epoch], o.Line.Number)
	}
}

func (l *lottery) verdicts(*record.RunFacts) []Verdict {
	v := l.verdict("draw", "the fans of the lobby have the numbers that the published draw gives them")
	v.Note = l.note
	return []Verdict{v}
}

// lostTurn tells that a fan's drawn number may have been called in an epoch
// before the one in which the fan first heard of a number.
func (l *lottery) lostTurn(fan int, drawn int64) bool {
	for epoch, most := range l.most {
		if epoch < l.heard[fan] && drawn <= most+unheardCalls {
			return true
		}
	}
	return false
}

// Draw reads the file that the house publishes of an event's draw and holds
// the fans' numbers against it. It fails on what is no such file.
func (j *Judge) Draw(file io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(file, 1<<30))
	if err != nil {
		return err
	}
	head, ids, _ := bytes.Cut(raw, []byte("\n"))
	var published struct {
		Format                    int `json:"ropeline_draw"`
		State                     string
		Commitment, Entropy, Seed string
	}
	if err := json.Unmarshal(head, &published); err != nil || published.Format != 1 {
		return fmt.Errorf("the draw's file: %w", cmp.Or(err, errors.New("it is of another format")))
	}
	if published.State != "done" {
		j.lottery.note = "not judged: the draw was " + published.State
		return nil
	}
	seed, err1 := hex.DecodeString(published.Seed)
	entropy, err2 := hex.DecodeString(published.Entropy)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("the draw's file: %w", err)
	}
	if sum := sha256.Sum256(seed); hex.EncodeToString(sum[:]) != published.Commitment {
		j.lottery.breaks("the seed %s is not the one that was promised: its SHA-256 is %x, the commitment %s", published.Seed, sum, published.Commitment)
	}
	type ranked struct{ id, rank []byte }
	var order []ranked
	mac := hmac.New(sha256.New, append(seed, entropy...))
	for id := range bytes.FieldsSeq(ids) {
		mac.Reset()
		mac.Write(id)
		order = append(order, ranked{id, mac.Sum(nil)})
	}
	slices.SortFunc(order, func(a, b ranked) int { return cmp.Or(bytes.Compare(a.rank, b.rank), bytes.Compare(a.id, b.id)) })
	numbers := make(map[string]int64, len(order))
	for i, r := range order {
		numbers[string(r.id)] = int64(i)
	}
	fans := make([]int, 0, len(j.lottery.got))
	for fan := range j.lottery.got {
		fans = append(fans, fan)
	}
	slices.Sort(fans)
	for _, fan := range fans {
		want, entrant := numbers[j.lottery.names[fan]]
		if !entrant || j.lottery.got[fan] < 0 {
			continue
		}
		// Called unheard, and then Redis was lost: the line goes on above what was
		// called, and the fan begins anew.
		if j.lottery.lostTurn(fan, want) {
			continue
		}
		j.lottery.checked++
		if got := j.lottery.got[fan]; got != want {
			j.lottery.breaks("fan %d, who is %s in the draw, was told number %d; the seed and the entropy give it number %d of %d",
				fan, j.lottery.names[fan], got, want, len(order))
		}
	}
	return nil
}
