package pages

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
)

// words are the functions of the templates. static/js/words.js says the same
// things in the same words; change both.
var words = template.FuncMap{
	"count":   count,
	"plural":  plural,
	"price":   price,
	"day":     day,
	"moment":  moment,
	"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"millis":  func(t time.Time) int64 { return t.UnixMilli() },
	"remain":  remain,
	"wait":    wait,
	"ahead":   ahead,
	"done":    done,
	"phase":   phaseWords,
	"left":    func(o Offer, id ropeline.TicketTypeID) int { return left(o, id) },
	"total":   totalLeft,
	"minutes": func(d time.Duration) string { return span(int64(d / time.Second)) },
	"span":    func(seconds int) string { return span(int64(seconds)) },
	"payment": paymentWords,
	"message": messageWords,
	"times":   func(m ropeline.Money, n int) ropeline.Money { return m.Times(n) },
	"json":    func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
	// dataURL lets a picture of ours stand in the page; html/template refuses the scheme.
	"dataURL": func(s string) template.URL {
		if !strings.HasPrefix(s, "data:image/png;base64,") {
			return ""
		}
		return template.URL(s)
	},
	"paragraphs": func(s string) []string {
		return strings.FieldsFunc(strings.ReplaceAll(s, "\r", ""), func(r rune) bool { return r == '\n' })
	},
	"last": func(sizes []ropeline.PictureSize) ropeline.PictureSize { return sizes[len(sizes)-1] },
	"whens": func() []Link {
		return []Link{{"On sale now", "on_sale"}, {"Upcoming", "upcoming"}, {"Sold out", "sold_out"}, {"Past", "past"}}
	},
	"states":      func() []string { return []string{"pending", "paid", "expired", "canceled", "review"} },
	"plainamount": func(m ropeline.Money) string { amount, _, _ := strings.Cut(m.String(), " "); return amount },
	"short":       func(id any) string { s := fmt.Sprint(id); return s[max(0, len(s)-8):] },
}

// count writes a number with commas between the thousands.
func count(n any) string {
	if v := reflect.ValueOf(n); v.Kind() == reflect.Pointer {
		n = v.Elem()
	}
	s, sign := fmt.Sprint(n), ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural chooses between one and many: {{count n}} {{plural n "person" "people"}}.
func plural(n any, one, many string) string {
	if s := fmt.Sprint(n); s == "1" {
		return one
	}
	return many
}

// signs are the currency signs that English readers take without a country,
// as Intl.NumberFormat("en") writes them.
var signs = map[string]string{"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "ILS": "₪"}

// price writes an amount as Intl.NumberFormat("en") does: €1,234.50, and
// CHF 12.00 with a space that does not break.
func price(m ropeline.Money) string {
	amount, _, _ := strings.Cut(m.String(), " ")
	sign := ""
	if strings.HasPrefix(amount, "-") {
		sign, amount = "-", amount[1:]
	}
	whole, fraction, has := strings.Cut(amount, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
		whole = count(n)
	}
	if has {
		whole += "." + fraction
	}
	if s, ok := signs[m.Currency]; ok {
		return sign + s + whole
	}
	return sign + m.Currency + "\u00a0" + whole
}

func zone(v ropeline.Venue) *time.Location {
	if at, err := time.LoadLocation(v.TimeZone); err == nil {
		return at
	}
	return time.UTC
}

// day is a moment at the venue, to the minute, for headings.
func day(t time.Time, v ropeline.Venue) string {
	return t.In(zone(v)).Format("Mon 2 January 2006, 15:04")
}

// moment is day with its zone, where a mistake would cost a ticket.
func moment(t time.Time, v ropeline.Venue) string {
	return t.In(zone(v)).Format("Mon 2 Jan 2006, 15:04:05 MST")
}

// remain is a countdown as it stands: 2d 03:04:05, 03:04:05 or 04:05.
func remain(now, until time.Time) string {
	s := max(0, int64((until.Sub(now)+time.Second-1)/time.Second))
	d, h, m, s := s/86400, s/3600%24, s/60%60, s%60
	switch {
	case d > 0:
		return fmt.Sprintf("%dd %02d:%02d:%02d", d, h, m, s)
	case h > 0:
		return fmt.Sprintf("%02d:%02d:%02d", h, m, s)
	}
	return fmt.Sprintf("%02d:%02d", m, s)
}

// wait is the estimate in words that do not promise more than is known.
func wait(r *ropeline.Range) string {
	switch {
	case r == nil:
		return "we can’t tell yet"
	case r.High <= 60:
		return "less than a minute"
	case r.High < 90*60:
		return spread(r.Low/60, (r.High+59)/60, "minute")
	}
	return spread(r.Low/3600, (r.High+3599)/3600, "hour")
}

func spread(low, high int64, unit string) string {
	switch {
	case low >= high:
		return "about " + count(high) + " " + plural(high, unit, unit+"s")
	case low == 0:
		return "up to " + count(high) + " " + plural(high, unit, unit+"s")
	}
	return "about " + count(low) + "–" + count(high) + " " + unit + "s"
}

// span is a length of time in the largest unit that is exact enough.
func span(s int64) string {
	switch {
	case s < 120 && s%60 != 0:
		return count(s) + " " + plural(s, "second", "seconds")
	case s < 2*3600:
		return count((s+30)/60) + " " + plural((s+30)/60, "minute", "minutes")
	}
	return count((s+1800)/3600) + " hours"
}

// ahead is the position in a title and an announcement.
func ahead(position int64) string {
	if position <= 0 {
		return "You are next"
	}
	return count(position) + " " + plural(position, "person", "people") + " ahead of you"
}

// done is the share of the way that lies behind the fan, 0–100.
func done(start, position int64) int64 {
	if start <= 0 || position > start {
		return 0
	}
	return (start - position) * 100 / start
}

func phaseWords(p ropeline.Phase) string {
	switch p {
	case ropeline.PhaseAnnounced:
		return "Announced"
	case ropeline.PhaseLobby:
		return "Lobby open"
	case ropeline.PhaseDrop:
		return "Draw runs"
	case ropeline.PhaseOnSale:
		return "On sale"
	case ropeline.PhaseSoldOut:
		return "Sold out"
	case ropeline.PhaseClosed:
		return "Sale ended"
	}
	return string(p)
}

// left is the tickets left of a type; -1 when not known.
func left(o Offer, id ropeline.TicketTypeID) int {
	if n, ok := o.Available[id]; ok {
		return n
	}
	return -1
}

// totalLeft is the tickets left of the event; -1 when not known of every type.
func totalLeft(o Offer) int {
	sum := 0
	for _, t := range o.TicketTypes {
		n := left(o, t.ID)
		if n < 0 {
			return -1
		}
		sum += n
	}
	return sum
}

// Prices is the range of the prices in words: "€25.00 – €90.00".
func (o Offer) Prices() string {
	if len(o.TicketTypes) == 0 {
		return ""
	}
	low, high := o.TicketTypes[0].Price, o.TicketTypes[0].Price
	for _, t := range o.TicketTypes {
		if t.Price.Minor < low.Minor {
			low = t.Price
		}
		if t.Price.Minor > high.Minor {
			high = t.Price
		}
	}
	if low == high {
		return price(low)
	}
	return price(low) + " – " + price(high)
}

func paymentWords(state string) string {
	switch state {
	case "created", "pending":
		return "Waiting for your payment"
	case "authorized":
		return "Payment received, being confirmed"
	case "confirmed":
		return "Paid"
	case "failed":
		return "The payment did not go through"
	case "canceled":
		return "The payment was canceled; no money was taken"
	}
	return state
}

// messageWords names a message to people by its kind.
func messageWords(kind string) string {
	words := map[string]string{
		"tickets": "Tickets", "payment_failed": "Payment failed", "payment_refused": "Order not filled", "refunded": "Refund",
		"ticket_given": "Ticket given", "ticket_passed": "Ticket passed on", "ticket_void": "Ticket not valid any more", "turn_near": "Turn is near",
		"order_canceled": "Order canceled", "event_changed": "Event changed", "event_canceled": "Event canceled", "verify": "Confirm the address", "reset": "New password", "invite": "Invitation",
	}[kind]
	return cmp.Or(words, kind)
}

// problemTitle is the heading of a problem that came without one.
func problemTitle(code ropeline.Code) string {
	switch code {
	case ropeline.CodeNotFound, ropeline.CodeEventNotFound, ropeline.CodeOrderNotFound,
		ropeline.CodeReservationNotFound, ropeline.CodeTicketNotFound:
		return "There is nothing here"
	case ropeline.CodeNotInLine:
		return "You are not in this line"
	case ropeline.CodeNotOpen:
		return "The line is not open yet"
	case ropeline.CodeSaleClosed:
		return "The sale has ended"
	case ropeline.CodeSoldOut:
		return "Sold out"
	case ropeline.CodeNoPass, ropeline.CodePassInvalid:
		return "This door opens from the line"
	case ropeline.CodePassExpired, ropeline.CodePassUsed:
		return "Your turn has passed"
	case ropeline.CodeUnauthenticated:
		return "We don’t know you yet"
	case ropeline.CodePhaseConflict:
		return "It is too late, or too early, for that"
	case ropeline.CodeAccountRequired:
		return "This line needs an account"
	case ropeline.CodeLinkInvalid:
		return "This link is not good any more"
	case ropeline.CodeForbidden, ropeline.CodeCrossOrigin:
		return "That is not allowed"
	case ropeline.CodeRateLimited:
		return "A little slower, please"
	case ropeline.CodeUnavailable:
		return "We are catching our breath"
	case ropeline.CodeTicketEnded:
		return "This ticket has ended"
	case ropeline.CodeOrderEnded, ropeline.CodeOrderExists, ropeline.CodeReservationEnded, ropeline.CodeAlreadyTold:
		return "This has happened already"
	case ropeline.CodeReservationExpired:
		return "The hold ran out"
	case ropeline.CodeInternal, "":
		return "Something went wrong on our side"
	}
	return "That did not work"
}
