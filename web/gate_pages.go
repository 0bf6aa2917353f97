package web

import (
	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web/pages"
)

// gatesPage: GET /gate, the choice of an event.
func (s *Server) gatesPage(c *gin.Context) error {
	events, err := s.catalog.ListOf(c.Request.Context(), actorOf(c).Organizations(identity.ViewGate), eventsPerPage)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	return s.pages.Gates(pages.Zip(c.Writer, c.Request), pages.GatesView{Frame: pages.Frame{Organizer: account(c).Email}, Events: events})
}

// gatePage: GET /gate/{id}, the page at the entrance. It alone may use the
// camera.
func (s *Server) gatePage(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	c.Header("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
	return s.pages.Gate(pages.Zip(c.Writer, c.Request), pages.GateView{Frame: pages.Frame{Organizer: account(c).Email}, Event: event})
}

// gateWorker: GET /gate/sw.js.
func (s *Server) gateWorker(c *gin.Context) error {
	s.pages.GateWorker(c.Writer, c.Request)
	return nil
}
