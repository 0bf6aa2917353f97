package notify

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Alert is the wish of a fan in a line to be told, once, when the turn is near.
type Alert struct {
	Event   ropeline.EventID
	Fan     ropeline.FanID
	Channel Channel
	To      string
	Number  *int64 // in the line; nil in the lobby
	Epoch   int64  // in which the number was looked up
}

// mostAlerts is how many fans of one event may name the same address, in any
// spelling: a family does, and somebody who wants to flood another's mailbox.
const mostAlerts = 3

// SetAlert keeps a fan's wish; a new address replaces the one before, until
// the fan has been told. Errors: channel_unavailable, already_told,
// rate_limited for an address that too many fans named.
func (n *Notify) SetAlert(ctx context.Context, a Alert) error {
	if !n.Offers(a.Channel) {
		return ropeline.Errorf(ropeline.CodeChannelUnavailable, "Text messages are not sent here. Give an e-mail address.")
	}
	mailbox := a.To // for counting only; the message goes to what was written
	if a.Channel == Email {
		mailbox = ropeline.AddressKey(a.To)
	}
	err := pgx.BeginFunc(ctx, n.pool, func(tx pgx.Tx) error {
		// Those who name the same address wait for each other, so that they are counted.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1, 0))", string(a.Event)+mailbox); err != nil {
			return err
		}
		var named int
		if err := tx.QueryRow(ctx, "select count(*) from turn_alerts where event_id = $1 and mailbox = $2 and fan_id <> $3", a.Event, mailbox, a.Fan).Scan(&named); err != nil {
			return err
		}
		if named >= mostAlerts {
			return ropeline.Errorf(ropeline.CodeRateLimited, "This address is told already for others in the line.")
		}
		kept, err := tx.Exec(ctx, `
			insert into turn_alerts (event_id, fan_id, channel, recipient, number, epoch, mailbox) values ($1, $2, $3, $4, $5, $6, $7)
			on conflict (event_id, fan_id) do update set channel = excluded.channel, recipient = excluded.recipient, number = excluded.number, epoch = excluded.epoch,
				mailbox = excluded.mailbox
			where turn_alerts.told_at is null`, a.Event, a.Fan, a.Channel, a.To, a.Number, a.Epoch, mailbox)
		if err == nil && kept.RowsAffected() == 0 {
			return ropeline.Errorf(ropeline.CodeAlreadyTold, "You were told already that your turn is near. Nobody is told twice: look at the page of the line.")
		}
		return err
	})
	if err != nil && ropeline.CodeOf(err) == ropeline.CodeInternal {
		return ropeline.Unavailable(err)
	}
	return err
}

// DropAlert forgets a fan's wish.
func (n *Notify) DropAlert(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) error {
	if _, err := n.pool.Exec(ctx, "delete from turn_alerts where event_id = $1 and fan_id = $2 and told_at is null", event, fan); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// AlertEvents lists the events for which fans wait to be told.
func (n *Notify) AlertEvents(ctx context.Context) ([]ropeline.EventID, error) {
	rows, err := n.pool.Query(ctx, "select distinct event_id from turn_alerts where told_at is null")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[ropeline.EventID])
}

// Alerts lists an event's waiting alerts by fan, after the last of the page
// before.
func (n *Notify) Alerts(ctx context.Context, event ropeline.EventID, after ropeline.FanID, limit int) ([]Alert, error) {
	rows, err := n.pool.Query(ctx, `
		select event_id, fan_id, channel, recipient, number, epoch from turn_alerts
		where event_id = $1 and fan_id > $2 and told_at is null order by fan_id limit $3`, event, after, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Alert])
}

// Numbered keeps the number that was looked up for an alert.
func (n *Notify) Numbered(ctx context.Context, a Alert) error {
	_, err := n.pool.Exec(ctx, "update turn_alerts set number = $3, epoch = $4 where event_id = $1 and fan_id = $2", a.Event, a.Fan, a.Number, a.Epoch)
	return err
}

// Tell posts the messages of alerts whose turn is near, and ends them in the
// same transaction; ahead is by fan. Alerts in moot are forgotten: nobody was
// told, so a fan who comes back may ask again.
func (n *Notify) Tell(ctx context.Context, event ropeline.EventID, near []Alert, ahead map[ropeline.FanID]int64, moot []ropeline.FanID) error {
	var notices []Notice
	var ended []ropeline.FanID
	for _, a := range near {
		ended = append(ended, a.Fan)
		notices = append(notices, Notice{
			Dedupe: fmt.Sprintf("near:%s:%s", event, a.Fan), Kind: TurnNear, Channel: a.Channel, To: a.To, Event: event,
			Subject: string(a.Fan), Data: Data{Fan: a.Fan, Ahead: ahead[a.Fan]},
		})
	}
	return pgx.BeginFunc(ctx, n.pool, func(tx pgx.Tx) error {
		if _, err := n.Post(ctx, tx, notices...); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue("update turn_alerts set told_at = now() where event_id = $1 and fan_id = any($2)", event, ended)
		batch.Queue("delete from turn_alerts where event_id = $1 and fan_id = any($2) and told_at is null", event, moot)
		return tx.SendBatch(ctx, batch).Close()
	})
}

// ParsePhone checks a telephone number in E.164 form: a plus, the country, and
// 8 to 15 digits in all; spaces and dashes are left out. Error: invalid_phone.
func ParsePhone(s string) (string, error) {
	s = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", "/", "").Replace(s)
	digits, plus := strings.CutPrefix(s, "+")
	if !plus || len(digits) < 8 || len(digits) > 15 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return "", ropeline.Errorf(ropeline.CodeInvalidPhone, "This is not a telephone number with its country, such as +43 664 1234567.")
	}
	return "+" + digits, nil
}

// mostAgain is how often the tickets of one order are sent again.
const mostAgain = 5

// Again posts the tickets of an order once more, in the caller's transaction.
// Error: rate_limited after five times, or within a minute of the last.
func (n *Notify) Again(ctx context.Context, tx pgx.Tx, notice Notice) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1, 0))", "again:"+notice.Subject); err != nil {
		return err
	}
	var sent int
	var lately bool
	err := tx.QueryRow(ctx, `
		select count(*), coalesce(max(created_at) > now() - interval '1 minute', false) from notifications
		where subject = $1 and kind = $2`, notice.Subject, notice.Kind).Scan(&sent, &lately)
	switch {
	case err != nil:
		return err
	case lately:
		return ropeline.Errorf(ropeline.CodeRateLimited, "The tickets are on their way. Wait a minute before you ask again.")
	case sent > mostAgain:
		return ropeline.Errorf(ropeline.CodeRateLimited, "The tickets were sent so often that they are not sent again.")
	}
	notice.Dedupe = fmt.Sprintf("%s:again:%d", notice.Dedupe, sent)
	_, err = n.Post(ctx, tx, notice)
	return err
}
