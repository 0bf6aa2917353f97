package web

import (
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/web/hub"
)

// standing tells the fan who asks where it stands, and renews the place that
// the fan keeps when it has changed.
func (s *Server) standing(c *gin.Context) (ropeline.Status, error) {
	room, place, err := s.roomAndPlace(c)
	if err != nil {
		return ropeline.Status{}, err
	}
	status, now, err := room.Status(c.Request.Context(), place)
	if err != nil {
		return ropeline.Status{}, err
	}
	if status.Place != "" {
		s.keepPlace(c, now, status.Place)
	}
	return status, nil
}

// roomAndPlace finds the event's room and the place of the fan who asks. A fan
// who shows none is looked up in the line; code not_in_line for one who never
// joined.
func (s *Server) roomAndPlace(c *gin.Context) (*hub.Room, queue.Place, error) {
	none := func(err error) (*hub.Room, queue.Place, error) { return nil, queue.Place{}, err }
	ctx := c.Request.Context()
	event, err := s.eventOf(c)
	if err != nil {
		return none(err)
	}
	fan, err := s.fanIn(c, event)
	if err != nil {
		return none(err)
	}
	if err := s.mayAsk(c, fan); err != nil {
		return none(err)
	}
	shown, err := s.place(c, event.ID, fan)
	if err != nil {
		return none(err)
	}
	room, err := s.hub.Room(ctx, event.ID)
	if err != nil {
		return none(err)
	}
	if offset := lastHeard(c.Request); offset != "" {
		room.CatchUp(ctx, offset)
	}
	if shown != nil {
		return room, *shown, nil
	}
	place, found, err := s.line.Number(ctx, event.ID, fan)
	if err != nil {
		return none(err)
	}
	if found {
		s.keepPlace(c, place, s.line.Token(place))
		return room, place, nil
	}
	shopper, found, err := s.admission.Shopper(ctx, event.ID, fan)
	if err != nil {
		return none(err)
	}
	if !found {
		return none(ropeline.Errorf(ropeline.CodeNotInLine, "You have not joined this line."))
	}
	return room, queue.Place{Event: event.ID, Fan: fan, Number: shopper.Number, Epoch: shopper.Epoch}, nil
}

// lastHeard is the offset of the last status that the client was told: what it
// hears next is not older, whichever node tells it.
func lastHeard(r *http.Request) string {
	if id := r.Header.Get("Last-Event-Id"); id != "" {
		return id
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("offset")
}

var (
	jsonType = []string{"application/json; charset=utf-8"}
	noStore  = []string{"no-store"}
	buffers  = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}
)

// writeStatus answers with a status, by hand: gin's way cost a join more than
// the line itself.
func writeStatus(c *gin.Context, code int, status *ropeline.Status) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	*buffer = status.AppendJSON((*buffer)[:0])
	h := c.Writer.Header()
	h["Content-Type"], h["Cache-Control"] = jsonType, noStore
	c.Writer.WriteHeader(code)
	c.Writer.Write(*buffer)
}

// admitted is the status of a fan who has a pass or is shopping; the zero
// status for everybody else.
func (s *Server) admitted(c *gin.Context, room *hub.Room, event ropeline.EventID, fan ropeline.FanID) (ropeline.Status, queue.Place, error) {
	shopper, found, err := s.admission.Shopper(c.Request.Context(), event, fan)
	if err != nil || !found {
		return ropeline.Status{}, queue.Place{}, err
	}
	place := queue.Place{Event: event, Fan: fan, Number: shopper.Number, Epoch: shopper.Epoch}
	status := room.Shopper(shopper, place)
	status.Place = s.line.Token(place)
	return status, place, nil
}
