package fraud

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

// Settings are what an event does with scores. They are versioned: a change
// makes a new version, and the old ones stay with who made them.
type Settings struct {
	Version     int64 // 0: the defaults
	Enabled     bool  // false: every order is allowed, and scored all the same
	ReviewAt    float64
	RejectAt    float64
	ReviewHours int      // how long a review may take
	AtDeadline  Decision // Allow or Reject: what happens then
	ChangedBy   string
	ChangedAt   time.Time
}

// The bounds of a review, in hours: an authorization lives seven days.
const (
	leastHours = 1
	mostHours  = 144
)

// DefaultSettings only watch: the default model knows made-up orders only, so
// an organizer looks at what it says before it decides anything.
func DefaultSettings() Settings {
	return Settings{ReviewAt: 0.5, RejectAt: 0.95, ReviewHours: 24, AtDeadline: Reject}
}

// Validate tells what cannot be; code invalid_rules.
func (s Settings) Validate() error {
	switch {
	case !(s.ReviewAt >= 0 && s.ReviewAt <= 1 && s.RejectAt >= 0 && s.RejectAt <= 1):
		return ropeline.Errorf(ropeline.CodeInvalidRules, "review_at and reject_at are probabilities, 0 to 1.")
	case s.ReviewAt > s.RejectAt:
		return ropeline.Errorf(ropeline.CodeInvalidRules, "review_at must not be above reject_at.")
	case s.ReviewHours < leastHours || s.ReviewHours > mostHours:
		return ropeline.Errorf(ropeline.CodeInvalidRules, "review_hours must be %d to %d: an authorization lives seven days.", leastHours, mostHours)
	case s.AtDeadline != Allow && s.AtDeadline != Reject:
		return ropeline.Errorf(ropeline.CodeInvalidRules, "at_deadline must be approve or reject.")
	}
	return nil
}

// decide is what a score leads to.
func (s Settings) decide(score float64) Decision {
	switch {
	case !s.Enabled:
		return Allow
	case score >= s.RejectAt:
		return Reject
	case score >= s.ReviewAt:
		return Review
	}
	return Allow
}

const settingsColumns = "version, enabled, review_at::numeric::float8, reject_at::numeric::float8, review_hours, case at_deadline when 'approve' then 'allow' else at_deadline end, changed_by, changed_at"

func readSettings(ctx context.Context, pool *pgxpool.Pool, event ropeline.EventID) ([]Settings, error) {
	rows, err := pool.Query(ctx, "select "+settingsColumns+" from fraud_settings where event_id = $1 order by version desc", event)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Settings])
}

// History lists an event's settings, the ones in force first; never empty: the
// last are the defaults.
func (f *Fraud) History(ctx context.Context, event ropeline.EventID) ([]Settings, error) {
	list, err := readSettings(ctx, f.pool, event)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return append(list, DefaultSettings()), nil
}

// SetSettings makes a new version, which every node follows two seconds after
// the commit at the latest. A version above 0 in s must be the one in
// force (rules_conflict otherwise), so that nobody undoes another's change unseen.
func (f *Fraud) SetSettings(ctx context.Context, tx pgx.Tx, event ropeline.EventID, s Settings, by string) (Settings, error) {
	if err := s.Validate(); err != nil {
		return s, err
	}
	at := map[Decision]string{Allow: "approve", Reject: "reject"}[s.AtDeadline]
	err := tx.QueryRow(ctx, `
		insert into fraud_settings (event_id, version, enabled, review_at, reject_at, review_hours, at_deadline, changed_by)
		select $1, v.version + 1, $3, $4, $5, $6, $7, $8 from (select coalesce(max(version), 0) as version from fraud_settings where event_id = $1) v
		where $2::bigint in (0, v.version) returning version, changed_at`,
		event, s.Version, s.Enabled, s.ReviewAt, s.RejectAt, s.ReviewHours, at, by).Scan(&s.Version, &s.ChangedAt)
	taken, _ := errors.AsType[*pgconn.PgError](err)
	if errors.Is(err, pgx.ErrNoRows) || taken != nil && taken.Code == "23505" {
		return s, ropeline.Errorf(ropeline.CodeRulesConflict, "Somebody has changed the settings meanwhile.")
	}
	if err != nil {
		return s, ropeline.Unavailable(err)
	}
	s.ChangedBy = by
	return s, nil
}

// remembered keeps the settings in force for a moment, and for longer when
// they cannot be read anew.
type remembered struct {
	mu   sync.Mutex
	seen map[ropeline.EventID]seenSettings
}

type seenSettings struct {
	settings Settings
	at       time.Time
}

const (
	settingsFor = 2 * time.Second
	mostSeen    = 10_000
)

// inForce finds an event's settings; false when they are not known in time.
func (f *Fraud) inForce(ctx context.Context, event ropeline.EventID) (Settings, bool) {
	r := &f.settings
	r.mu.Lock()
	seen, known := r.seen[event]
	r.mu.Unlock()
	if known && time.Since(seen.at) < settingsFor {
		return seen.settings, true
	}
	s, ok := ask(ctx, func(ctx context.Context) (Settings, error) {
		list, err := readSettings(ctx, f.pool, event)
		s := append(list, DefaultSettings())[0]
		if err == nil {
			r.remember(event, s)
		}
		return s, err
	})()
	if !ok {
		return seen.settings, known
	}
	return s, true
}

func (r *remembered) remember(event ropeline.EventID, s Settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) >= mostSeen {
		clear(r.seen)
	}
	r.seen[event] = seenSettings{s, time.Now()}
}
