package app

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/trace"
	"github.com/ropeline/ropeline/queue"
)

type traceCommand struct {
	Event string `arg:"positional,required" placeholder:"EVENT" help:"the event's id"`
}

// traceNote is what an export cannot know; docs/loadtest.md says more.
const traceNote = "a fan came when its identity was minted; fans with an older identity, and those without a lobby who left before they were called and before Redis forgot, are missing"

// exportTrace writes when the fans of an event came, in the load tester's
// format and under pseudonyms that mean nothing outside the file.
//
// No join is written down anywhere, and the path of joins has no room for it.
// But a fan's identity is minted by its first join and bears its time, to the
// millisecond. So the fans are gathered from where they are known: the
// entrants of the draw and the reservations in Postgres; who waits now and what
// the feed still tells in Redis.
func exportTrace(ctx context.Context, c Config, id string, stdout io.Writer, log *slog.Logger) error {
	event, err := ropeline.ParseID[ropeline.EventID](id)
	if err != nil {
		return err
	}
	return withRooms(ctx, c, log, func(app *App) error {
		about, err := app.Catalog.Event(ctx, event)
		if err != nil {
			return err
		}
		fans := make(map[ropeline.FanID]time.Time) // when each left unserved; zero: it did not, or nobody knows
		for _, gather := range []func(context.Context, ropeline.EventID, map[ropeline.FanID]time.Time) error{
			app.gatherEntrants, app.gatherReservations, app.gatherWaiting, app.gatherFeed,
		} {
			if err := gather(ctx, event, fans); err != nil {
				return err
			}
		}
		return writeTrace(stdout, about, fans)
	})
}

func known(fans map[ropeline.FanID]time.Time, fan ropeline.FanID) {
	if _, already := fans[fan]; !already {
		fans[fan] = time.Time{}
	}
}

func (a *App) gatherEntrants(ctx context.Context, event ropeline.EventID, fans map[ropeline.FanID]time.Time) error {
	for page := 0; ; page++ {
		entrants, err := a.Line.EntrantsPage(ctx, event, page)
		if err != nil || entrants.Len() == 0 {
			return err
		}
		for i := range entrants.Len() {
			known(fans, ropeline.FanID(entrants.At(i)))
		}
	}
}

func (a *App) gatherReservations(ctx context.Context, event ropeline.EventID, fans map[ropeline.FanID]time.Time) error {
	rows, err := a.pool.Query(ctx, "select distinct fan_id from reservations where event_id = $1", event)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var fan ropeline.FanID
		if err := rows.Scan(&fan); err != nil {
			return err
		}
		known(fans, fan)
	}
	return rows.Err()
}

func (a *App) gatherWaiting(ctx context.Context, event ropeline.EventID, fans map[ropeline.FanID]time.Time) error {
	const page = 10_000
	for from := int64(0); ; from += page {
		waiting, err := a.redis.Read.ZRange(ctx, queue.KeysOf(event).Waiting, from, from+page-1).Result()
		if err != nil || len(waiting) == 0 {
			return err
		}
		for _, fan := range waiting {
			known(fans, ropeline.FanID(fan))
		}
	}
}

func (a *App) gatherFeed(ctx context.Context, event ropeline.EventID, fans map[ropeline.FanID]time.Time) error {
	const page = 1000
	for after := "0-0"; ; {
		feed, err := a.Line.Feed(ctx, event, after, page)
		if err != nil || len(feed) == 0 {
			return err
		}
		for _, f := range feed {
			after = f.ID
			for _, m := range f.Admitted {
				known(fans, m.Fan)
			}
			for _, m := range f.Left {
				fans[m.Fan] = f.At
			}
		}
	}
}

// mintedAt is the time in an identity, zero for what is none.
func mintedAt(fan ropeline.FanID) time.Time {
	var raw [17]byte
	n, err := base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding).Decode(raw[:], []byte(fan))
	if err != nil || n < 8 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:8]) >> 16))
}

func writeTrace(w io.Writer, event ropeline.Event, fans map[ropeline.FanID]time.Time) error {
	opens := event.DropAt
	if event.LobbyAt != nil {
		opens = *event.LobbyAt
	}
	type coming struct {
		fan  ropeline.FanID
		at   time.Time
		left time.Time
	}
	var all []coming
	older := 0
	for fan, left := range fans {
		if at := mintedAt(fan); at.Before(opens.Add(-time.Second)) {
			older++
		} else {
			all = append(all, coming{fan, at, left})
		}
	}
	slices.SortFunc(all, func(a, b coming) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.fan, b.fan)) })
	key := make([]byte, 32)
	rand.Read(key) // forgotten with this export: nobody can turn a pseudonym back
	millis := func(t time.Time) float64 { return float64(t.Sub(opens)) / float64(time.Millisecond) }
	out, err := trace.NewWriter(w, trace.Head{
		DropMS: max(0, millis(event.DropAt)), Source: "ropeline", Note: fmt.Sprintf("%s (%d with an older identity)", traceNote, older),
	})
	if err != nil {
		return err
	}
	for _, c := range all {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(c.fan))
		one := trace.Arrival{AtMS: max(0, millis(c.at)), Fan: "p" + hex.EncodeToString(mac.Sum(nil)[:6])}
		if !c.left.IsZero() {
			one.Left = max(0, float64(c.left.Sub(c.at))/float64(time.Millisecond))
		}
		if err := out.Write(one); err != nil {
			return err
		}
	}
	return out.Flush()
}
