package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/desk"
	"github.com/ropeline/ropeline/web/hub"
)

const (
	deskWrite   = 5 * time.Second // an organizer who takes no frame for this long is disconnected
	deskRecheck = 5 * time.Second // how long a stream outlives the right to see it
	deskStream  = time.Hour       // then the browser opens it again

	mostSampleMinutes = 24 * 60
)

// liveCounts: GET /admin/events/{id}/live.
func (s *Server) liveCounts(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	live, err := s.sales.Live(c.Request.Context(), event)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, live)
	return nil
}

// liveStream: GET /admin/events/{id}/live/sse, the same every second as
// server-sent events. An engine that is away is told by an event named problem;
// the next frame comes when it is back.
func (s *Server) liveStream(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	if _, err := s.sales.Live(c.Request.Context(), event); err != nil && ropeline.CodeOf(err) != ropeline.CodeUnavailable {
		return err
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the frames back
	out := http.NewResponseController(c.Writer)
	out.SetReadDeadline(time.Time{}) // the server's is for requests, and would end the stream
	write := func(text string) bool {
		out.SetWriteDeadline(time.Now().Add(deskWrite))
		_, err := c.Writer.WriteString(text)
		return err == nil && out.Flush() == nil
	}
	c.Status(http.StatusOK)
	if !write("retry: 2000\n\n") {
		return nil
	}
	end := s.follow(c, event.ID, write)
	if end != (hub.Reason{}) {
		write(`event: end` + "\n" + `data: {"code":` + strconv.Itoa(end.Code) + `,"reason":"` + end.Word + `"}` + "\n\n")
	}
	return nil
}

// follow writes frames until somebody ends it; the zero reason when the
// organizer did.
func (s *Server) follow(c *gin.Context, id ropeline.EventID, write func(string) bool) hub.Reason {
	ctx, cancel := context.WithTimeout(c.Request.Context(), deskStream)
	defer cancel()
	ticker := time.NewTicker(desk.Beat)
	defer ticker.Stop()
	checked := time.Now()
	for {
		if now := time.Now(); now.Sub(checked) >= deskRecheck {
			if s.mayStay(c) != nil {
				return hub.Gone
			}
			checked = now
		}
		event, err := s.catalog.Event(ctx, id)
		var live desk.Live
		if err == nil {
			live, err = s.sales.Live(ctx, event)
		}
		name, body := "", []byte(nil)
		if err == nil {
			body, err = json.Marshal(live)
		}
		if err != nil {
			name = "event: problem\n"
			body, _ = json.Marshal(problemOf(err))
		}
		if ctx.Err() != nil || !write(name+"data: "+string(body)+"\n\n") {
			return hub.Reason{}
		}
		select {
		case <-ticker.C:
		case <-s.sales.Ended():
			return hub.Shutdown
		case <-ctx.Done():
			return hub.Reason{}
		}
	}
}

// mayStay asks again whether who opened a stream may see it: the session may
// have ended meanwhile, or the role.
func (s *Server) mayStay(c *gin.Context) error {
	actor, err := s.actor(c)
	if err != nil {
		return err
	}
	return s.authorize(c, actor, access[c.Request.Method+" "+c.FullPath()], organization(c))
}

type samplesView struct {
	EverySeconds int           `json:"every_seconds"`
	Samples      []desk.Sample `json:"samples"`
}

// samples: GET /admin/events/{id}/samples?minutes=60, what the plots show.
func (s *Server) samples(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	minutes, err := queryNumber(c, "minutes", 60, mostSampleMinutes)
	if err != nil {
		return err
	}
	now := time.Now()
	list, err := s.sales.Samples(c.Request.Context(), event.ID, now.Add(-time.Duration(minutes)*time.Minute), now.Add(desk.Every))
	if err != nil {
		return err
	}
	if list == nil {
		list = []desk.Sample{}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, samplesView{EverySeconds: int(desk.Every / time.Second), Samples: list})
	return nil
}
