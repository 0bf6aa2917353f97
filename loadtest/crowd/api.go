package crowd

import (
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// The answers of the API beside ropeline.Status, as far as a fan reads them.

type eventAnswer struct {
	ID          ropeline.EventID `json:"id"`
	Phase       ropeline.Phase   `json:"phase"`
	DropAt      time.Time        `json:"drop_at"`
	TicketTypes []struct {
		ID          ropeline.TicketTypeID `json:"id"`
		MaxPerOrder int                   `json:"max_per_order"`
		Capacity    int64                 `json:"capacity"`
		Available   *int64                `json:"available"`
	} `json:"ticket_types"`
}

// capacity is what the event announces for sale. A server that tells only
// what is available tells no less than what a run can still buy, as long as
// nothing is held when the run begins.
func (e eventAnswer) capacity() map[ropeline.TicketTypeID]int64 {
	all := make(map[ropeline.TicketTypeID]int64)
	for _, t := range e.TicketTypes {
		switch {
		case t.Capacity > 0:
			all[t.ID] = t.Capacity
		case t.Available != nil && e.Phase == ropeline.PhaseAnnounced:
			all[t.ID] = *t.Available
		}
	}
	return all
}

type entryAnswer struct {
	Shopper string `json:"shopper"`
}

type reservationAnswer struct {
	ID       string          `json:"id"`
	State    string          `json:"state"`
	Reason   string          `json:"reason"`
	Items    []ropeline.Item `json:"items"`
	Deadline time.Time       `json:"deadline"`
}

func (r reservationAnswer) facts() *record.SaleFacts {
	return &record.SaleFacts{Reservation: r.ID, State: r.State, Items: r.Items, Deadline: micros(r.Deadline)}
}

type ticketAnswer struct {
	ID         string `json:"id"`
	TicketType string `json:"ticket_type"`
	Code       string `json:"code"`
}

type orderAnswer struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	Reservation string `json:"reservation"`
	Payment     struct {
		State        string `json:"state"`
		ClientSecret string `json:"client_secret"`
		Page         string `json:"page"`
	} `json:"payment"`
	Tickets []ticketAnswer `json:"tickets"`
}

func (o orderAnswer) facts() *record.SaleFacts {
	return &record.SaleFacts{
		Order: o.ID, State: o.State, Reservation: o.Reservation,
		Payment: o.Payment.State, Tickets: ticketFacts(o.Tickets),
	}
}

func ticketFacts(tickets []ticketAnswer) []record.TicketFacts {
	var facts []record.TicketFacts
	for _, t := range tickets {
		facts = append(facts, record.TicketFacts{ID: t.ID, Type: t.TicketType, Code: t.Code})
	}
	return facts
}

// tell writes a status into an observation.
func tell(o *record.Observation, s ropeline.Status) {
	o.Line, o.Lobby = lineFacts(s), s.Standing == ropeline.StandingLobby
}

// lineFacts is nil in the lobby, where there is no number to judge.
func lineFacts(s ropeline.Status) *record.LineFacts {
	if s.Standing == ropeline.StandingLobby {
		return nil
	}
	f := &record.LineFacts{
		Standing: s.Standing, Phase: s.Phase, Epoch: s.Epoch,
		Number: s.Number, Position: s.Position, Offset: s.Offset,
	}
	if s.PassUntil != nil && s.Standing == ropeline.StandingAdmitted {
		f.PassUntil = micros(*s.PassUntil)
	}
	return f
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
