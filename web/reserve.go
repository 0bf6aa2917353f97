package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

// reservationView is a reservation as the API shows it. Prices and deadline
// are known once the clerk has decided.
type reservationView struct {
	ID       ropeline.ReservationID    `json:"id"`
	Event    ropeline.EventID          `json:"event"`
	State    checkout.ReservationState `json:"state"`
	Reason   ropeline.Code             `json:"reason,omitempty"`
	Message  string                    `json:"message,omitempty"`
	Items    []itemView                `json:"items"`
	Total    *ropeline.Money           `json:"total,omitempty"`
	Deadline *time.Time                `json:"deadline,omitempty"`
}

type itemView struct {
	TicketType ropeline.TicketTypeID `json:"ticket_type"`
	Quantity   int                   `json:"quantity"`
	Unit       *ropeline.Money       `json:"unit,omitempty"`
}

type itemsBody struct {
	Items []ropeline.Item `json:"items"`
}

func newReservationView(r checkout.Reservation) reservationView {
	view := reservationView{ID: r.ID, Event: r.Event, State: r.State, Reason: r.Reason, Message: r.Message}
	decided := !r.Deadline.IsZero()
	view.Items = viewItems(r.Items, decided)
	if decided {
		total := r.Total()
		view.Total, view.Deadline = &total, &r.Deadline
	}
	return view
}

func viewItems(items []checkout.ReservedItem, priced bool) []itemView {
	views := make([]itemView, len(items))
	for i, item := range items {
		views[i] = itemView{TicketType: item.TicketType, Quantity: item.Quantity}
		if priced {
			unit := item.Unit()
			views[i].Unit = &unit
		}
	}
	return views
}

const mostWait = 10 * time.Second // that a Prefer: wait=N may ask for

// reserve: POST /events/{id}/reserve-tickets. 202 while the clerk has not
// decided, 201 when the tickets are held, a problem when they are not.
func (s *Server) reserve(c *gin.Context) error {
	event, fan, err := s.eventAndFan(c)
	if err != nil {
		return err
	}
	shopper, err := s.shopper(c, event.ID, fan)
	if err != nil {
		return err
	}
	key, err := keyOrNew(c)
	if err != nil {
		return err
	}
	var body itemsBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	wait := preferredWait(c.GetHeader("Prefer"))
	reservation, err := s.checkout.Reserve(c.Request.Context(), checkout.Request{
		Event: event.ID, Fan: fan, PassID: shopper.PassID, Items: body.Items, Key: key,
	}, wait)
	if err != nil {
		return err
	}
	if wait > 0 {
		c.Header("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
	}
	c.Header("Location", "/reservations/"+string(reservation.ID))
	c.Header("Cache-Control", "no-store")
	switch reservation.State {
	case checkout.ReservationQueued:
		c.JSON(http.StatusAccepted, newReservationView(reservation))
	case checkout.ReservationRejected:
		return ropeline.Errorf(reservation.Reason, "%s", reservation.Message)
	default:
		c.JSON(http.StatusCreated, newReservationView(reservation))
	}
	return nil
}

// getReservation: GET /reservations/{id}.
func (s *Server) getReservation(c *gin.Context) error {
	fan, id, err := s.reservationOf(c)
	if err != nil {
		return err
	}
	reservation, err := s.checkout.Reservation(c.Request.Context(), id, fan)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, newReservationView(reservation))
	return nil
}

// releaseReservation: DELETE /reservations/{id} gives held tickets back; 202 where
// the clerk has not come to it yet.
func (s *Server) releaseReservation(c *gin.Context) error {
	fan, id, err := s.reservationOf(c)
	if err != nil {
		return err
	}
	reservation, err := s.checkout.Release(c.Request.Context(), id, fan, mostWait)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	if !reservation.State.Ended() {
		c.JSON(http.StatusAccepted, newReservationView(reservation))
		return nil
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) reservationOf(c *gin.Context) (ropeline.FanID, ropeline.ReservationID, error) {
	id, err := ropeline.ParseReservationID(c.Param("reservation"))
	if err != nil {
		return "", "", ropeline.Errorf(ropeline.CodeReservationNotFound, "There is no such reservation.")
	}
	event, err := s.catalog.Event(c.Request.Context(), id.Event())
	if ropeline.CodeOf(err) == ropeline.CodeEventNotFound && err != nil {
		return "", "", ropeline.Errorf(ropeline.CodeReservationNotFound, "There is no such reservation.")
	}
	if err != nil {
		return "", "", err
	}
	fan, err := s.actingFan(c, event)
	return fan, id, err
}

// preferredWait reads "wait=N" (seconds) of a Prefer header, RFC 7240.
func preferredWait(prefer string) time.Duration {
	for part := range strings.SplitSeq(prefer, ",") {
		value, found := strings.CutPrefix(strings.TrimSpace(strings.ToLower(part)), "wait=")
		if !found {
			continue
		}
		seconds, err := strconv.ParseUint(value, 10, 16)
		if errors.Is(err, strconv.ErrRange) {
			return mostWait
		}
		if err != nil {
			return 0
		}
		return min(time.Duration(seconds)*time.Second, mostWait)
	}
	return 0
}
