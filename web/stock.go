package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

// changeReservation: PUT /reservations/{id} gives a held reservation other
// items, all or nothing; a refusal is a problem, and what was held stays held.
func (s *Server) changeReservation(c *gin.Context) error {
	fan, id, err := s.reservationOf(c)
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
	reservation, err := s.checkout.Change(c.Request.Context(), id, fan, body.Items, key, mostWait)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, newReservationView(reservation))
	return nil
}

type capacityView struct {
	TicketType ropeline.TicketTypeID `json:"ticket_type"`
	Capacity   int                   `json:"capacity"`
	Held       int                   `json:"held"`
	Sold       int                   `json:"sold"`
	Available  int                   `json:"available"`
}

type capacityBody struct {
	Capacity *int `json:"capacity"`
}

type capacitiesView struct {
	Types   []capacityView            `json:"types"`
	History []checkout.CapacityChange `json:"history"`
}

// setCapacity: PUT /admin/events/{id}/types/{type}.
func (s *Server) setCapacity(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	kind, err := ropeline.ParseID[ropeline.TicketTypeID](c.Param("type"))
	if err != nil {
		return ropeline.Errorf(ropeline.CodeUnknownTicketType, "The event has no such kind of ticket.")
	}
	key, err := keyOrNew(c)
	if err != nil {
		return err
	}
	var body capacityBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if body.Capacity == nil {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "capacity is required.")
	}
	stock, err := s.checkout.SetCapacity(c.Request.Context(), event.ID, kind, *body.Capacity, account(c).Email, key, mostWait)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, capacityView{TicketType: kind, Capacity: stock.Capacity, Held: stock.Held, Sold: stock.Sold, Available: max(stock.Left(), 0)})
	return nil
}

// getCapacity: GET /admin/events/{id}/capacity, the stock of each type and who
// changed how much there is.
func (s *Server) getCapacity(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	stock, err := s.checkout.StockNow(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	history, err := s.checkout.CapacityHistory(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	types := []capacityView{}
	for _, t := range event.TicketTypes {
		level := stock.Types[t.ID]
		types = append(types, capacityView{TicketType: t.ID, Capacity: level.Capacity, Held: level.Held, Sold: level.Sold, Available: max(level.Left(), 0)})
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, capacitiesView{Types: types, History: append([]checkout.CapacityChange{}, history...)})
	return nil
}
