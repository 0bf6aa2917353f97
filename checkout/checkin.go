package checkout

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// ScanResult is what a gate is told of a code.
type ScanResult string

// The results. ScanUndone is no answer to a scan: it is the row of a check-in
// that the box office has undone.
const (
	ScanAccepted     ScanResult = "accepted"      // the first scan: let in
	ScanAlready      ScanResult = "already"       // somebody came in with it
	ScanRevoked      ScanResult = "revoked"       // revoked, given away, or a code of an older revision
	ScanWrongEvent   ScanResult = "wrong_event"   // a good code of another event
	ScanUnknown      ScanResult = "unknown"       // well signed, but there is no such ticket
	ScanBadSignature ScanResult = "bad_signature" // not signed by this house
	ScanUndone       ScanResult = "undone"
)

// Scan is a code read at a gate.
type Scan struct {
	ID    string    // the gate's own name for this scan; the same again is the same scan
	Code  string    // as read or typed; case and spaces do not count
	Gate  string    // the name of the entrance
	Shown string    // what the gate showed by itself while offline; "" when it asked first
	At    time.Time // by the device's clock, for a scan that waited; zero: now
}

// CheckIn is a scan with its result, as it is kept.
type CheckIn struct {
	Seq        int64
	ScanID     string
	Result     ScanResult
	Ticket     ropeline.TicketID // "" where the code names none of this house
	TicketType string            // its name
	Revision   int
	Gate       string
	Shown      string
	ScannedAt  time.Time // by the device's clock when it was offline
	RecordedAt time.Time // by the house's
	By         string
	Reason     string
	First      *First // for ScanAlready: who was first
	Cause      Cause  // for ScanRevoked: why the code is void
}

// First is when and where a ticket was let in.
type First struct {
	At   time.Time
	Gate string
}

const (
	mostScans = 200 // in one request
	mostName  = 100 // bytes of a gate's name or a scan's id
	// A device's clock is believed this far back, and this far ahead.
	mostOffline = 7 * 24 * time.Hour
	mostAhead   = 2 * time.Minute
)

// CheckIn records scans at the gates of an event, one after the other, and
// tells what each of them means. Every attempt is kept. Of all scans of one
// ticket at all gates exactly one is accepted (I8): the ticket's row is locked
// while it is decided, and a unique index says the same. A scan whose id is
// known gets its old answer, so a sync whose answer was lost is repeated.
//
// Errors: invalid_request for no scan, too many, or one without id, code or
// gate; idempotency_key_reused for an id that came with another code.
// unavailable in the middle: what was recorded until then stays, and repeating
// the whole is right.
func (c *Checkout) CheckIn(ctx context.Context, event ropeline.EventID, scans []Scan, by string) ([]CheckIn, error) {
	if len(scans) == 0 || len(scans) > mostScans {
		return nil, ropeline.Errorf(ropeline.CodeInvalidRequest, "Send 1 to %d scans at a time.", mostScans)
	}
	for i := range scans {
		if err := scans[i].check(); err != nil {
			return nil, err
		}
	}
	results := make([]CheckIn, 0, len(scans))
	for _, scan := range scans {
		var done CheckIn
		err := pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) (err error) {
			done, err = c.checkIn(ctx, tx, event, scan, by)
			return err
		})
		if err != nil {
			return nil, asError(err)
		}
		results = append(results, done)
	}
	return results, nil
}

func (s *Scan) check() error {
	s.Code = strings.ToUpper(strings.Join(strings.Fields(s.Code), ""))
	s.Gate = strings.TrimSpace(s.Gate)
	switch {
	case s.ID == "" || len(s.ID) > mostName || !plain(s.ID) || strings.HasPrefix(s.ID, "undo:"):
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "scan must be the gate's own name for the scan, of 1 to %d bytes.", mostName)
	case s.Gate == "" || len(s.Gate) > mostName || !plain(s.Gate):
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "gate must be a name of 1 to %d bytes.", mostName)
	case s.Code == "" || len(s.Code) > 2*codeText:
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "code must be what the ticket shows, of at most %d characters.", 2*codeText)
	case s.Shown != "" && s.Shown != string(ScanAccepted) && s.Shown != string(ScanAlready) && s.Shown != string(ScanRevoked) &&
		s.Shown != string(ScanWrongEvent) && s.Shown != string(ScanBadSignature):
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "shown must be a result that a gate can see by itself.")
	}
	return nil
}

// plain tells whether Postgres takes a string as text.
func plain(s string) bool { return !strings.ContainsRune(s, 0) && strings.ToValidUTF8(s, "") == s }

func (c *Checkout) checkIn(ctx context.Context, tx pgx.Tx, event ropeline.EventID, scan Scan, by string) (CheckIn, error) {
	result, facts, turn := ScanAccepted, TicketFacts{}, 0
	facts, err := ParseCode(c.keys, scan.Code)
	ticket := (*ropeline.TicketID)(nil)
	switch {
	case err != nil:
		result = ScanBadSignature
	case facts.Event != event:
		result = ScanWrongEvent
	default:
		var state TicketState
		var revision int
		err := tx.QueryRow(ctx, "select state, revision, turn from tickets where id = $1 and event_id = $2 for update", facts.Ticket, event).
			Scan(&state, &revision, &turn)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			result = ScanUnknown
		case err != nil:
			return CheckIn{}, err
		default:
			ticket, result = &facts.Ticket, judge(state, facts.Revision, revision)
		}
	}
	// After the lock on the ticket: of two copies of one scan, the second sees
	// the first.
	if known, found, err := c.known(ctx, tx, event, scan); err != nil || found {
		return known, err
	}
	if result == ScanAccepted {
		if err := ticketMoves.move(TicketIssued, TicketCheckedIn); err != nil {
			return CheckIn{}, err
		}
		if _, err := tx.Exec(ctx, `
			with let as (
				update tickets set state = $2 where id = $1 returning id, event_id, order_id, fan_id, ticket_type_id, revision
			)
			insert into outbox (event_id, kind, subject, payload)
			select event_id, 'TicketCheckedIn', id, jsonb_build_object('ticket', id, 'order', order_id, 'fan', fan_id,
				'ticket_type', ticket_type_id, 'revision', revision, 'gate', $3::text) from let`,
			ticket, TicketCheckedIn, scan.Gate); err != nil {
			return CheckIn{}, err
		}
	}
	if err := insertScan(ctx, tx, event, scan, result, ticket, facts.Revision, turn, by); err != nil {
		return CheckIn{}, err
	}
	done, found, err := c.known(ctx, tx, event, scan)
	if err == nil && !found {
		err = pgx.ErrNoRows
	}
	return done, err
}

// judge tells what a code of a revision means for a ticket as it stands.
func judge(state TicketState, code, revision int) ScanResult {
	switch {
	case code != revision || state == TicketRevoked || state == TicketTransferred:
		return ScanRevoked
	case state == TicketCheckedIn:
		return ScanAlready
	}
	return ScanAccepted
}

// insertScan keeps the clocks apart: a device's is believed within bounds.
// A scan that named no ticket has no lock; its id alone makes it one.
func insertScan(ctx context.Context, tx pgx.Tx, event ropeline.EventID, scan Scan, result ScanResult, ticket *ropeline.TicketID, revision, turn int, by string) error {
	var at *time.Time
	if !scan.At.IsZero() {
		at = &scan.At
	}
	_, err := tx.Exec(ctx, `
		insert into checkins (event_id, scan_id, code_hash, result, ticket_id, revision, turn, gate, shown, scanned_at, by)
		select $1, $2, $3, $4, $5::text, case when $5::text is not null then $6::int end, case when $5::text is not null then $7::int end, $8, $9,
			case when $10::timestamptz between clock_timestamp() - $11::interval and clock_timestamp() + $12::interval
				then $10::timestamptz else clock_timestamp() end, $13
		on conflict (event_id, scan_id) do nothing`,
		event, scan.ID, hashCode(scan.Code), result, ticket, revision, turn, scan.Gate, scan.Shown, at, mostOffline, mostAhead, by)
	return err
}

// known finds a scan by its id.
func (c *Checkout) known(ctx context.Context, tx pgx.Tx, event ropeline.EventID, scan Scan) (CheckIn, bool, error) {
	var hash []byte
	err := tx.QueryRow(ctx, "select code_hash from checkins where event_id = $1 and scan_id = $2", event, scan.ID).Scan(&hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return CheckIn{}, false, nil
	}
	if err != nil {
		return CheckIn{}, false, err
	}
	if string(hash) != string(hashCode(scan.Code)) {
		return CheckIn{}, false, errKeyReused
	}
	rows, err := tx.Query(ctx, "select "+checkInColumns+" where c.event_id = $1 and c.scan_id = $2", event, scan.ID)
	if err != nil {
		return CheckIn{}, false, err
	}
	done, err := pgx.CollectExactlyOneRow(rows, scanCheckIn)
	return done, err == nil, err
}

func hashCode(code string) []byte {
	sum := sha256.Sum256([]byte(code))
	return sum[:16]
}
