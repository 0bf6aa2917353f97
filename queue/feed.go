package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
)

// Kinds of feed entries.
const (
	KindAdmitted = "admitted" // fans were called; Admitted names them
	KindLeft     = "left"     // fans are out of the line; Left names them
	KindEnded    = "ended"    // a pass or a time to shop ended; Ended names the fans
	KindResync   = "resync"   // entries were missed, or an epoch began: read the snapshot again
)

// Entries that readers see as a resync.
const (
	kindEpoch  = "epoch"  // the first of each epoch
	kindClosed = "closed" // the lobby has closed, the draw runs
	kindDrawn  = "drawn"  // the draw is done, admission begins
)

// FeedLength is about how many entries the stream of an event keeps.
const FeedLength = 100_000

// Member is a fan by the number that the entry is about; NoNumber for a fan
// who left the lobby.
type Member struct {
	Number int64
	Fan    ropeline.FanID
}

// FeedEntry is one change of a line. Entries come in order, each once, or
// there is a resync in their place.
type FeedEntry struct {
	ID       string // <epoch>-<seq>: seq is dense within an epoch
	Kind     string
	At       time.Time // by Redis' clock
	Admitted []Member
	Left     []Member
	Ended    []Member
	Rules    int64     // version of the rules that admitted
	Bypass   bool      // the admitted were let in past the line
	NoShows  int64     // of the ended, those who never came
	Until    time.Time // when the passes of the admitted run out
}

// Epoch is the epoch in which the entry was written.
func (e FeedEntry) Epoch() int64 {
	epoch, _, _ := splitOffset(e.ID)
	return epoch
}

// ParseMembers reads "number:fan,number:fan", as scripts write it.
func ParseMembers(list string) ([]Member, error) {
	if list == "" {
		return nil, nil
	}
	members := make([]Member, 0, 1+strings.Count(list, ","))
	for item := range strings.SplitSeq(list, ",") {
		number, fan, found := strings.Cut(item, ":")
		n, err := strconv.ParseInt(number, 10, 64)
		if !found || err != nil || n < NoNumber || len(fan) != idLength {
			return nil, fmt.Errorf("queue: %q is not a member of a line", item)
		}
		members = append(members, Member{Number: n, Fan: ropeline.FanID(fan)})
	}
	return members, nil
}

func parseEntry(message redis.XMessage) (FeedEntry, error) {
	kind, _ := message.Values["kind"].(string)
	at, _ := message.Values["at"].(string)
	fans, _ := message.Values["fans"].(string)
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return FeedEntry{}, fmt.Errorf("queue: feed entry %s: time %q", message.ID, at)
	}
	members, err := ParseMembers(fans)
	if err != nil {
		return FeedEntry{}, fmt.Errorf("queue: feed entry %s: %w", message.ID, err)
	}
	entry := FeedEntry{ID: message.ID, Kind: kind, At: time.UnixMicro(micros), Bypass: message.Values["bypass"] == "1"}
	until := int64(0)
	for field, into := range map[string]*int64{"rules": &entry.Rules, "no_shows": &entry.NoShows, "until": &until} {
		text, present := message.Values[field].(string)
		if !present {
			continue
		}
		if *into, err = strconv.ParseInt(text, 10, 64); err != nil {
			return FeedEntry{}, fmt.Errorf("queue: feed entry %s: %s %q", message.ID, field, text)
		}
	}
	if until > 0 {
		entry.Until = time.UnixMilli(until)
	}
	switch kind {
	case KindAdmitted:
		entry.Admitted = members
	case KindLeft:
		entry.Left = members
	case KindEnded:
		entry.Ended = members
	case kindEpoch, kindClosed, kindDrawn:
		entry.Kind = KindResync
	default:
		return FeedEntry{}, fmt.Errorf("queue: feed entry %s: kind %q", message.ID, kind)
	}
	return entry, nil
}

// Feed reads up to count entries that come after an offset, the oldest first.
// Where an epoch begins there is a resync.
func (l *Line) Feed(ctx context.Context, event ropeline.EventID, after string, count int64) ([]FeedEntry, error) {
	messages, err := l.redis.Read.XRangeN(ctx, KeysOf(event).Feed, "("+after, "+", count).Result()
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	entries := make([]FeedEntry, len(messages))
	for i, message := range messages {
		if entries[i], err = parseEntry(message); err != nil {
			return nil, ropeline.Unavailable(err)
		}
	}
	return entries, nil
}

// Newer names the events whose feeds have entries after an offset. One round trip.
func (l *Line) Newer(ctx context.Context, after map[ropeline.EventID]string) ([]ropeline.EventID, error) {
	pipe := l.redis.Read.Pipeline()
	first := make(map[ropeline.EventID]*redis.XMessageSliceCmd, len(after))
	for event, offset := range after {
		first[event] = pipe.XRangeN(ctx, KeysOf(event).Feed, "("+offset, "+", 1)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, ropeline.Unavailable(err)
	}
	var newer []ropeline.EventID
	for event, messages := range first {
		if len(messages.Val()) > 0 {
			newer = append(newer, event)
		}
	}
	return newer, nil
}

// Follows tells whether the entry id comes right after last, with none between
// them that was lost. What an earlier epoch lost cannot be known.
func Follows(last, id string) bool {
	epoch, seq, err := splitOffset(id)
	return err == nil && (follows(last, id) || epoch > 0 && seq == 1)
}

// follows tells whether id is the very next entry after last.
func follows(last, id string) bool {
	epoch, seq, err := splitOffset(last)
	return err == nil && id == offset(epoch, seq+1)
}

func splitOffset(id string) (epoch, seq int64, err error) {
	a, b, found := strings.Cut(id, "-")
	if epoch, err = strconv.ParseInt(a, 10, 64); err == nil {
		seq, err = strconv.ParseInt(b, 10, 64)
	}
	if !found || err != nil {
		return 0, 0, fmt.Errorf("queue: %q is not a feed offset", id)
	}
	return epoch, seq, nil
}
