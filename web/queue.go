package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/web/hub"
)

// eventOf checks the id in the path and finds the event.
func (s *Server) eventOf(c *gin.Context) (ropeline.Event, error) {
	id, err := ropeline.ParseID[ropeline.EventID](c.Param("event"))
	if err != nil {
		return ropeline.Event{}, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	event, err := s.catalog.Event(c.Request.Context(), id)
	if err == nil && event.Draft && !c.GetBool(deskKey) { // as if it were not there
		return ropeline.Event{}, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	return event, err
}

// eventAndFan finds what the path names and who asks.
func (s *Server) eventAndFan(c *gin.Context) (ropeline.Event, ropeline.FanID, error) {
	event, err := s.eventOf(c)
	if err != nil {
		return event, "", err
	}
	fan, err := s.actingFan(c, event)
	return event, fan, err
}

// join: POST /events/{id}/queue.
func (s *Server) join(c *gin.Context) error {
	status, _, err := s.joinLine(c)
	if err != nil {
		return err
	}
	writeStatus(c, http.StatusCreated, &status)
	return nil
}

// joinLine puts the fan into the line, or finds the place that the fan has.
func (s *Server) joinLine(c *gin.Context) (ropeline.Status, queue.Place, error) {
	none := func(err error) (ropeline.Status, queue.Place, error) {
		return ropeline.Status{}, queue.Place{}, err
	}
	ctx := c.Request.Context()
	event, err := s.eventOf(c)
	if err != nil {
		return none(err)
	}
	if err := s.open(c, event); err != nil {
		return none(err)
	}
	fan, token, err := s.fanOrMint(c, event)
	if err != nil {
		return none(err)
	}
	if err := s.mayJoin(c, fan, token != ""); err != nil {
		return none(err)
	}
	room, err := s.hub.Room(ctx, event.ID)
	if err != nil {
		return none(err)
	}
	claim, err := s.place(c, event.ID, fan)
	if err != nil {
		return none(err)
	}
	if claim == nil && room.Work() > 0 {
		if err := s.checkWork(c, event.ID, time.Now()); err != nil {
			return none(err)
		}
	}
	status, place, err := s.takePlace(c, room, event.ID, fan, claim, token == "")
	if err != nil {
		return none(err)
	}
	if token != "" {
		s.joined(c, event.ID, fan)
	}
	status.Place, status.FanToken = s.line.Token(place), token
	s.keepPlace(c, place, status.Place)
	return status, place, nil
}

// takePlace joins the line, unless the fan is in the shop or on the way to it.
// Only a fan who was here before can be; that is looked up again after the
// join, because admission may have come in between: one fan, one number (I5).
func (s *Server) takePlace(c *gin.Context, room *hub.Room, event ropeline.EventID, fan ropeline.FanID, claim *queue.Place, returning bool) (ropeline.Status, queue.Place, error) {
	ctx := c.Request.Context()
	if returning {
		if status, place, err := s.admitted(c, room, event, fan); err != nil || status.Standing != "" {
			return status, place, err
		}
	}
	joined, err := s.line.Join(context.Background(), event, fan, claim) // it has a deadline of its own, and waiting is cheaper so
	if err != nil {
		return ropeline.Status{}, queue.Place{}, err
	}
	if returning {
		status, place, err := s.admitted(c, room, event, fan)
		if err != nil {
			return status, place, err
		}
		if status.Standing != "" {
			return status, place, s.line.Leave(ctx, event, fan, ropeline.NewID[string]())
		}
	}
	return room.Status(ctx, joined)
}

// open refuses to let fans join before the lobby or the drop, and when nothing can be left.
func (s *Server) open(c *gin.Context, event ropeline.Event) error {
	stock, err := s.checkout.Available(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	now := time.Now()
	switch event.PhaseAt(now, stock.SoldOut()) {
	case ropeline.PhaseAnnounced:
		if event.LobbyAt != nil {
			return &ropeline.Error{Code: ropeline.CodeNotOpen, RetryAfter: event.LobbyAt.Sub(now),
				Message: "The lobby opens at " + event.LobbyAt.UTC().Format(time.RFC3339) + "."}
		}
		return &ropeline.Error{Code: ropeline.CodeNotOpen, RetryAfter: event.DropAt.Sub(now),
			Message: "The line opens at the drop, " + event.DropAt.UTC().Format(time.RFC3339) + "."}
	case ropeline.PhaseSoldOut:
		return ropeline.Errorf(ropeline.CodeSoldOut, "Every ticket of this event is sold.")
	case ropeline.PhaseClosed:
		return ropeline.Errorf(ropeline.CodeSaleClosed, "The sale of this event has ended.")
	}
	return nil
}

// poll: GET /events/{id}/queue. With a place of today's line it asks no engine.
func (s *Server) poll(c *gin.Context) error {
	status, err := s.standing(c)
	if err != nil {
		return err
	}
	writeStatus(c, http.StatusOK, &status)
	return nil
}

// socket: GET /events/{id}/queue/ws. Cookies count only for pages of an
// allowed origin; a client without an Origin must bring its token itself.
func (s *Server) socket(c *gin.Context) error {
	origin := c.GetHeader("Origin")
	if origin != "" && !s.allowed(c.Request, origin) {
		return ropeline.Errorf(ropeline.CodeCrossOrigin, "Sockets open from this site's own pages only.")
	}
	if _, explicit := bearer(c.Request); origin == "" && !explicit {
		return ropeline.Errorf(ropeline.CodeUnauthenticated, "A client without an Origin shows its token in the Authorization header.")
	}
	room, place, err := s.roomAndPlace(c)
	if err != nil {
		return err
	}
	if !c.IsWebsocket() {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "This address speaks WebSocket only.")
	}
	if err := room.Serve(c.Writer, c.Request, place); err != nil {
		s.log.Debug("upgrade failed", "error", err)
	}
	return nil
}

// stream: GET /events/{id}/queue/sse, the socket's frames as server-sent
// events. A page of another origin can not read it: there is no CORS here. A
// browser opens a stream again when it ends, but not after a problem, so a fan
// who is not in the line is told by one.
func (s *Server) stream(c *gin.Context) error {
	room, place, err := s.roomAndPlace(c)
	if err != nil {
		return err
	}
	if _, _, err := room.Status(c.Request.Context(), place); err != nil {
		return err
	}
	room.Stream(c.Writer, c.Request, place)
	return nil
}

// allowed: the configured origins, or the very host that was asked.
func (s *Server) allowed(r *http.Request, origin string) bool {
	return s.origins[origin] || origin == "http://"+r.Host || origin == "https://"+r.Host
}

// leave: DELETE /events/{id}/queue. Leaving twice is leaving.
func (s *Server) leave(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	if err := s.giveUp(c, event); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// giveUp takes the fan who asks out of the line, with the pass if there is one.
func (s *Server) giveUp(c *gin.Context, e ropeline.Event) error {
	fan, err := s.actingFan(c, e)
	if err != nil {
		return err
	}
	ctx, event := c.Request.Context(), e.ID
	if err := s.line.Leave(ctx, event, fan, ropeline.NewID[string]()); err != nil {
		return err
	}
	if err := s.admission.Done(ctx, event, fan); err != nil {
		return err
	}
	s.dropCookie(c, cookiePlace+string(event))
	return nil
}
