package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline/queue/draw"
	"github.com/ropeline/ropeline/web/pages"
)

// fairness: GET /events/{id}/fairness, what is public of the draw; for a
// person, the page that checks it in the browser.
func (s *Server) fairness(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	d, err := s.line.Draw(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	if wantsPage(c.Request) {
		return s.pages.Fairness(pages.Zip(c.Writer, c.Request), pages.FairnessView{Event: event, Record: d.Record()})
	}
	c.Header("Cache-Control", "public, max-age=2")
	c.Header("Vary", "Accept")
	c.JSON(http.StatusOK, d.Record())
	return nil
}

// fairnessFile: GET /events/{id}/fairness/file, the record and all entrants:
// what `ropeline verify draw` reads. 27 bytes an entrant.
func (s *Server) fairnessFile(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	d, err := s.line.Draw(ctx, event.ID)
	if err != nil {
		return err
	}
	record := d.Record()
	head, err := json.Marshal(record)
	if err != nil {
		return err
	}
	first, err := s.line.EntrantsPage(ctx, event.ID, 0)
	if err != nil {
		return err
	}
	c.Header("Content-Type", "text/plain; charset=utf-8")
	c.Header("Cache-Control", "public, max-age=2")
	c.Status(http.StatusOK)
	control := http.NewResponseController(c.Writer)
	text := append(head, '\n')
	for page := 0; ; page++ {
		for i := range first.Len() {
			text = append(append(text, first.At(i)...), '\n')
		}
		control.SetWriteDeadline(time.Now().Add(time.Minute)) // for each page: a million take 27 MB
		if _, err := c.Writer.Write(text); err != nil {
			return nil // the client has gone
		}
		if first.Len() < draw.PageSize {
			return nil
		}
		text = text[:0]
		if first, err = s.line.EntrantsPage(ctx, event.ID, page+1); err != nil {
			s.log.Warn("a draw's file ends early", "event", event.ID, "error", err)
			panic(http.ErrAbortHandler) // a short file must not look whole
		}
	}
}

// receipt: GET /events/{id}/receipt, the proof that the fan who asks is among
// the entrants of the draw.
func (s *Server) receipt(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	fan, err := s.fanIn(c, event)
	if err != nil {
		return err
	}
	receipt, err := s.line.Receipt(c.Request.Context(), event.ID, fan)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, receipt)
	return nil
}

type entropyBody struct {
	Value string `json:"value"`
}

// putEntropy: PUT /admin/events/{id}/entropy, the promised value of the draw.
func (s *Server) putEntropy(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	var body entropyBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if err := s.line.GiveEntropy(c.Request.Context(), event.ID, body.Value); err != nil {
		return err
	}
	s.log.Info("the entropy of a draw was given", "event", event.ID, "by", account(c).Email)
	d, err := s.line.Draw(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, d.Record())
	return nil
}
