package notify

import (
	"bytes"
	"embed"
	"fmt"
	html "html/template"
	"strings"
	text "text/template"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/qr"
)

//go:embed templates
var templateFiles embed.FS

// words are the subjects, by kind; a kind without one is none. The rest of a
// message is in templates/<kind>.html and .txt, for SMS in sms.txt.
var words = map[Kind]string{
	Tickets:        "Your tickets for %s",
	PaymentFailed:  "Your payment for %s did not go through",
	PaymentRefused: "Your order for %s could not be filled",
	OrderCanceled:  "Your order for %s was canceled",
	Refunded:       "Your refund for %s",
	TicketGiven:    "You were given a ticket for %s",
	TicketPassed:   "You gave away a ticket for %s",
	TicketVoid:     "Your ticket for %s is not valid any more",
	TurnNear:       "Your turn for %s is near",
	EventChanged:   "%s has changed",
	EventCanceled:  "%s is canceled",
	Verify:         "Confirm your e-mail address",
	Reset:          "Set a new password",
	Invite:         "You are invited",
}

var (
	texts  = text.Must(text.New("").Funcs(text.FuncMap(functions)).ParseFS(templateFiles, "templates/*.txt"))
	hypers = func() map[Kind]*html.Template {
		layout := html.Must(html.New("layout.html").Funcs(html.FuncMap(functions)).ParseFS(templateFiles, "templates/layout.html"))
		all := map[Kind]*html.Template{}
		for kind := range words {
			all[kind] = html.Must(html.Must(layout.Clone()).ParseFS(templateFiles, "templates/"+string(kind)+".html"))
		}
		return all
	}()
)

var functions = map[string]any{
	"moment": moment,
	"short":  func(id any) string { s := fmt.Sprint(id); return s[max(0, len(s)-8):] },
	"times":  func(m ropeline.Money, n int) ropeline.Money { return m.Times(n) },
	"plural": func(n any, one, many string) string {
		if fmt.Sprint(n) == "1" {
			return one
		}
		return many
	},
	"minutes": func(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) },
	"field":   field,
	"cid":     func(t Ticket) html.URL { return html.URL("cid:" + cid(t)) }, // html/template refuses the scheme
}

// moment is a time in the venue's zone.
func moment(t time.Time, venue ropeline.Venue) string {
	zone, err := time.LoadLocation(venue.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	return t.In(zone).Format("Monday, 2 January 2006, 15:04 MST")
}

// field says in words which part of an event has changed.
func field(name string) string {
	switch name {
	case "starts_at":
		return "when it begins"
	case "venue", "venue_id", "address", "city":
		return "where it takes place"
	case "lobby_at":
		return "when the lobby opens"
	case "drop_at":
		return "when the sale begins"
	case "closes_at":
		return "when the sale ends"
	case "name":
		return "its name"
	}
	return strings.ReplaceAll(name, "_", " ")
}

func cid(t Ticket) string { return "ticket-" + string(t.ID) }

// page is what the templates see.
type page struct {
	Facts
	Data
	Kind  Kind
	Title string
}

// qrPixels is the side of a ticket's picture at the most; two dots of it are one on paper.
const qrPixels = 320

// Write writes a notice out for its channel.
func Write(n Notice, f Facts) (Message, error) {
	f.PublicURL = strings.TrimRight(f.PublicURL, "/")
	title := words[n.Kind]
	if n.Kind == EventChanged && len(n.Data.Fields) == 0 {
		title = "A word about %s" // the organizer's, and nothing has changed
	}
	p := page{Facts: f, Data: n.Data, Kind: n.Kind, Title: strings.Replace(title, "%s", oneLine(f.Event.Name), 1)}
	m := Message{ID: n.ID, To: n.To}
	if n.Channel == SMS {
		var b bytes.Buffer
		err := texts.ExecuteTemplate(&b, "sms.txt", p)
		m.Text = oneLine(b.String())
		return m, err
	}
	m.Subject = p.Title
	var plain, hyper bytes.Buffer
	if err := texts.ExecuteTemplate(&plain, string(n.Kind)+".txt", p); err != nil {
		return Message{}, err
	}
	if err := hypers[n.Kind].Execute(&hyper, p); err != nil {
		return Message{}, err
	}
	m.Text, m.HTML = strings.TrimSpace(plain.String())+"\n", hyper.String()
	if n.Kind == Tickets || n.Kind == TicketGiven {
		for i, t := range f.Tickets {
			png, err := qr.PNG(t.Code, qr.Medium, qrPixels)
			if err != nil {
				return Message{}, err
			}
			m.Inline = append(m.Inline, Inline{CID: cid(t), Name: fmt.Sprintf("ticket-%d.png", i+1), PNG: png})
		}
	}
	return m, nil
}

// oneLine keeps line breaks out of subjects and short messages.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
