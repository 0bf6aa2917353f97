package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog"
)

// changedView is an event as it is now, and which fields are new.
type changedView struct {
	catalog.Details
	Changed []string `json:"changed"` // never null
}

// changeEvent: PATCH /admin/events/{id} changes what a published event is, when
// and where. Fields that are left out stay; a field that cannot be changed here
// is refused, so that nobody believes it was.
func (s *Server) changeEvent(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	var to catalog.Change
	if err := readExactly(c, &to); err != nil {
		return err
	}
	if !to.Names() && !to.Says() {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "Give name, description, starts_at, venue or note.")
	}
	after, fields, err := s.changeDetails(c, event.ID, to)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, changedView{after, append([]string{}, fields...)})
	return nil
}

// changeEventForm: POST /admin/events/{id}, the form of the organizer's page.
// Times are the venue's.
func (s *Server) changeEventForm(c *gin.Context) error {
	if !isForm(c.Request) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "Send a form here, or PATCH with JSON.")
	}
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	event, err = s.catalog.Current(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	field := func(name, is string) *string {
		text := strings.ReplaceAll(c.PostForm(name), "\r\n", "\n") // as browsers send line breaks
		if _, given := c.GetPostForm(name); !given || text == strings.ReplaceAll(is, "\r\n", "\n") {
			return nil
		}
		return &text
	}
	to := catalog.Change{
		Name: field("name", event.Name), Description: field("description", event.Description), Note: strings.ReplaceAll(c.PostForm("note"), "\r\n", "\n"),
		Venue: &catalog.VenueChange{Name: field("venue", event.Venue.Name), Address: field("address", event.Venue.Address),
			City: field("city", event.Venue.City), TimeZone: field("time_zone", event.Venue.TimeZone)},
	}
	if sequence, err := strconv.Atoi(c.PostForm("sequence")); err == nil {
		to.Sequence = &sequence
	}
	if starts := c.PostForm("starts"); starts != "" && (starts != venueTime(event.StartsAt, event.Venue.TimeZone) || to.Venue.TimeZone != nil) {
		zone := event.Venue.TimeZone
		if to.Venue.TimeZone != nil {
			zone = *to.Venue.TimeZone
		}
		if to.StartsAt, err = parseVenueTime("starts", starts, zone); err != nil {
			return err
		}
	}
	_, fields, err := s.changeDetails(c, event.ID, to)
	if err != nil {
		return err
	}
	address := "/admin/events/" + string(event.ID)
	if len(fields) > 0 {
		address += "?changed=1"
	}
	c.Redirect(http.StatusSeeOther, address+"#h-change")
	return nil
}

// changeDetails changes an event and writes down who did it, in one
// transaction; what changes nothing is not written down.
func (s *Server) changeDetails(c *gin.Context, event ropeline.EventID, to catalog.Change) (after catalog.Details, fields []string, err error) {
	ctx := c.Request.Context()
	err = s.change(ctx, func(tx pgx.Tx) error {
		var before catalog.Details
		if before, after, fields, err = s.catalog.Change(ctx, tx, event, to); err != nil {
			return err
		}
		switch {
		case len(fields) == 0:
			recorded(c)
			return nil
		case slices.Equal(fields, []string{"note"}):
			return s.record(c, tx, "event.note", "event/"+string(event), nil, gin.H{"note": to.Note})
		}
		return s.record(c, tx, "event.change", "event/"+string(event), before, after)
	})
	if err == nil {
		s.catalog.Forget(event)
	}
	return after, fields, err
}

// changeForm is what the form needs to know.
func (s *Server) changeForm(ctx context.Context, event ropeline.Event) (sequence int, starts string, err error) {
	sequence, _, err = s.catalog.Changed(ctx, event.ID)
	return sequence, venueTime(event.StartsAt, event.Venue.TimeZone), err
}

// formTime is how a browser writes a local time.
const formTime = "2006-01-02T15:04:05"

func venueTime(t time.Time, zone string) string {
	location, err := time.LoadLocation(zone)
	if err != nil {
		location = time.UTC
	}
	return t.In(location).Format(formTime)
}

// parseVenueTime reads the field of a form as a moment by the venue's clock.
func parseVenueTime(field, text, zone string) (*time.Time, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "" {
		return nil, ropeline.Errorf(ropeline.CodeInvalidRequest, "The venue's time_zone must be an IANA name such as Europe/Vienna.")
	}
	for _, layout := range []string{formTime, "2006-01-02T15:04"} { // browsers leave seconds of zero out
		if t, err := time.ParseInLocation(layout, text, location); err == nil {
			return &t, nil
		}
	}
	return nil, ropeline.Errorf(ropeline.CodeInvalidRequest, "%s must be a date and a time.", field)
}
