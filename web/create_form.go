package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/web/pages"
)

const mostRows = 50 // ticket types of a form

// createEventForm is createEvent for the form of the desk. Times are by the
// venue's clock. The button do says what is wanted: preview and row show the
// form again with what was typed, draft and create make the event. What is
// wrong is told on the form.
func (s *Server) createEventForm(c *gin.Context) error {
	form := postedEvent(c)
	switch c.PostForm("do") {
	case "preview":
		view, err := foreseeForm(form)
		form.Preview = view.Words
		return s.eventFormAgain(c, form, err)
	case "row":
		if len(form.Types) < mostRows {
			form.Types = append(form.Types, pages.NewType{Most: "4"})
		}
		return s.eventFormAgain(c, form, nil)
	}
	body, err := eventOfForm(form)
	if err == nil {
		body.Draft = c.PostForm("do") == "draft"
		err = s.newEvent(c, body)
	}
	if err != nil {
		return s.eventFormAgain(c, form, err)
	}
	return nil
}

// eventFormAgain shows the desk with the form as it was typed, and what was
// wrong with it.
func (s *Server) eventFormAgain(c *gin.Context, form pages.NewEvent, err error) error {
	recorded(c) // nothing was changed
	if err != nil {
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			return err
		}
		form.Status, form.Problem = p.Status, p.Detail
	}
	return s.organizerWith(c, form)
}

func postedEvent(c *gin.Context) pages.NewEvent {
	text := func(name string) string {
		return strings.ReplaceAll(strings.TrimSpace(c.PostForm(name)), "\r\n", "\n")
	}
	form := pages.NewEvent{
		Name: text("name"), Description: text("description"), Venue: text("venue"), City: text("city"), Address: text("address"), Zone: text("zone"),
		Lobby: text("lobby"), Drop: text("drop"), Closes: text("closes"), Starts: text("starts"), Currency: strings.ToUpper(text("currency")),
		Rate: text("rate"), Burst: text("burst"), OnePer: text("oneper"), Shoppers: text("shoppers"), Fans: text("fans"), Key: text("key"),
	}
	names, prices, capacities, mosts := c.PostFormArray("type"), c.PostFormArray("price"), c.PostFormArray("capacity"), c.PostFormArray("most")
	at := func(list []string, i int) string {
		if i < len(list) {
			return strings.TrimSpace(list[i])
		}
		return ""
	}
	for i := range names[:min(len(names), mostRows)] {
		form.Types = append(form.Types, pages.NewType{Name: at(names, i), Price: at(prices, i), Capacity: at(capacities, i), Most: at(mosts, i)})
	}
	return form
}

// eventOfForm reads what was typed; code invalid_request.
func eventOfForm(form pages.NewEvent) (body eventBody, err error) {
	body.Event = ropeline.Event{Name: form.Name, Description: form.Description, OnePer: ropeline.OnePer(form.OnePer),
		Venue: ropeline.Venue{Name: form.Venue, City: form.City, Address: form.Address, TimeZone: form.Zone}}
	for _, moment := range []struct {
		field, text string
		into        *time.Time
	}{{"The drop", form.Drop, &body.DropAt}, {"The end of the sale", form.Closes, &body.ClosesAt}, {"The start of the event", form.Starts, &body.StartsAt}} {
		at, err := parseVenueTime(moment.field, moment.text, form.Zone)
		if err != nil {
			return body, err
		}
		*moment.into = *at
	}
	if form.Lobby != "" {
		if body.LobbyAt, err = parseVenueTime("The opening of the lobby", form.Lobby, form.Zone); err != nil {
			return body, err
		}
	}
	for _, row := range form.Types {
		if row.Name == "" && row.Price == "" && row.Capacity == "" {
			continue
		}
		t := ropeline.TicketType{Name: row.Name, Price: ropeline.Money{Currency: form.Currency}}
		if t.Price.Minor, err = parsePrice(row.Price, t.Price); err != nil {
			return body, err
		}
		if t.Capacity, err = wholeNumber("Tickets of "+row.Name, row.Capacity); err != nil {
			return body, err
		}
		if t.MaxPerOrder, err = wholeNumber("Most per fan of "+row.Name, row.Most); err != nil {
			return body, err
		}
		t.MaxPerFan = t.MaxPerOrder
		body.TicketTypes = append(body.TicketTypes, t)
	}
	body.Rules, err = rulesOfForm(form)
	return body, err
}

func rulesOfForm(form pages.NewEvent) (rules rulesBody, err error) {
	for _, number := range []struct {
		field, text string
		into        **int
	}{{"Fans let in per minute", form.Rate, &rules.RatePerMinute}, {"Burst", form.Burst, &rules.Burst}, {"Most shoppers at once", form.Shoppers, &rules.MaxShoppers}} {
		n, err := wholeNumber(number.field, number.text)
		if err != nil {
			return rules, err
		}
		*number.into = &n
	}
	return rules, nil
}

func wholeNumber(field, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<31-1 {
		return 0, ropeline.Errorf(ropeline.CodeInvalidRequest, "%s must be a whole number.", field)
	}
	return n, nil
}

// foreseeForm is the preview of what was typed; code invalid_request or
// invalid_rules.
func foreseeForm(form pages.NewEvent) (view previewView, err error) {
	var body previewBody
	if body.rulesBody, err = rulesOfForm(form); err != nil {
		return view, err
	}
	n, err := wholeNumber("Fans you expect", form.Fans)
	if err != nil {
		return view, err
	}
	fans, tickets := int64(n), int64(0)
	for _, row := range form.Types {
		if row.Capacity == "" {
			continue
		}
		if n, err = wholeNumber("Tickets of "+row.Name, row.Capacity); err != nil {
			return view, err
		}
		tickets += int64(n)
	}
	body.Fans, body.Tickets = &fans, &tickets
	return body.foresee(admission.DefaultRules(), time.Now(), likely(time.Now()))
}
