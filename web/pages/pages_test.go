package pages

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRenderer(t testing.TB) *Renderer {
	t.Helper()
	r, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// scene is one page in one state that people meet.
type scene struct {
	name   string
	status int
	draw   func(*Renderer, http.ResponseWriter) error
}

// sayings are the strings of a set of scenes; the escaping test brings worse ones.
type sayings struct{ name, text, token string }

var calm = sayings{name: "The Lanterns: Last Train Home", text: "One night.\n\nBring the ticket.", token: "t0ken"}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func eventOf(s sayings) ropeline.Event {
	return ropeline.Event{
		ID: "0dq3k5m2p8r7t1v9b4c6f0h0a1", Name: s.name, Description: s.text,
		Venue:    ropeline.Venue{Name: s.name, Address: s.text, City: s.name, TimeZone: "Europe/Vienna"},
		StartsAt: noon.Add(720 * time.Hour), DropAt: noon.Add(time.Hour), ClosesAt: noon.Add(48 * time.Hour),
		Picture: &ropeline.Picture{Hash: "0123456789abcdef0123456789abcdef", Alt: s.name, Sizes: []ropeline.PictureSize{
			{Width: 480, Height: 270, URL: "/pictures/0123456789abcdef0123456789abcdef/480.jpg"}, {Width: 960, Height: 540, URL: "/pictures/0123456789abcdef0123456789abcdef/960.jpg"}}},
		TicketTypes: []ropeline.TicketType{
			{ID: "0dq3k5m2p8r7t1v9b4c6f0h0b1", Name: s.name, Price: ropeline.Money{Minor: 4500, Currency: "EUR"}, Capacity: 90, MaxPerOrder: 4, MaxPerFan: 4},
			{ID: "0dq3k5m2p8r7t1v9b4c6f0h0b2", Name: "Gallery", Price: ropeline.Money{Minor: 123456, Currency: "CHF"}, Capacity: 9, MaxPerOrder: 2},
		},
	}
}

// scenes is every page in every state, with the given strings in it.
func scenes(s sayings) []scene {
	event := eventOf(s)
	frame := Frame{Now: noon}
	desk := Frame{Now: noon, Organizer: "olga@example.org"}
	offer := func(p ropeline.Phase) Offer {
		return Offer{Event: event, Phase: p, Available: map[ropeline.TicketTypeID]int{event.TicketTypes[0].ID: 1312, event.TicketTypes[1].ID: 0}}
	}
	phases := []ropeline.Phase{ropeline.PhaseAnnounced, ropeline.PhaseOnSale, ropeline.PhaseSoldOut, ropeline.PhaseClosed, ropeline.PhaseLobby, ropeline.PhaseDrop}
	items := []Item{{Name: s.name, Quantity: 2, Unit: ropeline.Money{Minor: 4500, Currency: "EUR"}}}
	total := ropeline.Money{Minor: 9000, Currency: "EUR"}
	tickets := []Ticket{
		{ID: "0dq3k5m2p8r7t1v9b4c6f0h0c1", Name: s.name, Code: s.token, State: "issued"},
		{ID: "0dq3k5m2p8r7t1v9b4c6f0h0c2", Name: s.name, Code: s.token, State: "checked_in"},
		{ID: "0dq3k5m2p8r7t1v9b4c6f0h0c3", Name: s.name, Code: s.token, State: "revoked"},
		{ID: "0dq3k5m2p8r7t1v9b4c6f0h0c4", Name: s.name, State: "transferred", To: s.name},
	}
	rules := Rules{Version: 3, RatePerMinute: 300, Burst: 20, MaxShoppers: 200, Batch: 50, StockGate: true, ShowUpSeconds: 120, ShopSeconds: 480, ChangedBy: s.name, ChangedAt: noon, Schedule: "5:600, 10:900", CompensatePercent: 25}

	var all []scene
	add := func(name string, status int, draw func(*Renderer, http.ResponseWriter) error) {
		all = append(all, scene{name, status, draw})
	}
	add("events", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Events(w, EventsView{Frame: frame, Events: []Offer{offer(phases[0]), offer(phases[1]), offer(phases[2]), offer(phases[3])}, Next: "/?after=x"})
	})
	add("events, none fits", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Events(w, EventsView{Frame: frame, Query: s.text, When: "past", Place: s.name, From: s.token, Filtered: true})
	})
	add("organizer event, draft", 200, func(r *Renderer, w http.ResponseWriter) error {
		draft := offer(phases[0])
		draft.Draft = true
		return r.OrganizerEvent(w, OrganizerEventView{Frame: desk, Offer: draft, Rules: rules, History: []Rules{rules}, Key: s.token})
	})
	add("events, none", 200, func(r *Renderer, w http.ResponseWriter) error { return r.Events(w, EventsView{}) })
	for _, phase := range phases {
		add("event "+string(phase), 200, func(r *Renderer, w http.ResponseWriter) error {
			return r.Event(w, EventView{Frame: frame, Offer: offer(phase), Problem: s.text})
		})
	}
	add("event, in line", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Event(w, EventView{Frame: frame, Offer: Offer{Event: event, Phase: phases[1]}, InLine: true})
	})
	add("event, canceled", 200, func(r *Renderer, w http.ResponseWriter) error {
		canceled := Offer{Event: event, Phase: phases[3]}
		canceled.CanceledAt = &noon
		return r.Event(w, EventView{Frame: frame, Offer: canceled})
	})
	add("event, shopping", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Event(w, EventView{Frame: frame, Offer: offer(phases[1]), Shopping: true})
	})
	for _, record := range []draw.Record{
		{Commitment: s.token, Source: draw.None, CreatedAt: noon},
		{Commitment: s.token, Source: draw.Public, Promise: s.text, Root: s.token, CreatedAt: noon},
		{Commitment: s.token, Source: draw.Public, Promise: s.text, Root: s.token, CreatedAt: noon, MixedFrom: s.name, Value: s.text, Seed: s.token, Entropy: s.token},
	} {
		add("fairness", 200, func(r *Renderer, w http.ResponseWriter) error {
			return r.Fairness(w, FairnessView{Frame: frame, Event: event, Record: record})
		})
	}
	for _, line := range lines(event, s) {
		add("line "+line.Scene(), 200, func(r *Renderer, w http.ResponseWriter) error { return r.Line(w, line) })
	}
	add("shop", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Shop(w, ShopView{Frame: frame, Offer: offer(phases[1]), ShopUntil: noon.Add(time.Minute), Announced: s.text})
	})
	add("shop, held", 200, func(r *Renderer, w http.ResponseWriter) error {
		held := Reservation{ID: ropeline.ReservationID(s.token), Items: items, Total: total, Deadline: noon.Add(time.Minute)}
		return r.Shop(w, ShopView{Frame: frame, Offer: Offer{Event: event, Phase: phases[1]}, ShopUntil: noon.Add(time.Minute), Reservation: &held})
	})
	for _, state := range []string{"pending", "paid", "expired", "canceled"} {
		for _, payment := range []string{"created", "pending", "authorized", "confirmed", "failed", "canceled"} {
			add("order "+state+" "+payment, 200, func(r *Renderer, w http.ResponseWriter) error {
				v := OrderView{Frame: frame, Event: event, ID: "0dq3k5m2p8r7t1v9b4c6f0h0d1", State: state, Email: s.name, Items: items, Total: total,
					CreatedAt: noon, Deadline: noon.Add(time.Minute), Payment: Payment{State: payment, Page: "/sandbox/pay/x"}, Resend: true}
				if payment == "confirmed" {
					v.Tickets = tickets
				}
				return r.Order(w, v)
			})
		}
	}
	add("order, all given away", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Order(w, OrderView{Frame: frame, Event: event, ID: "0dq3k5m2p8r7t1v9b4c6f0h0d1", State: "paid", Email: s.name, Items: items, Total: total, CreatedAt: noon, Payment: Payment{State: "confirmed"}, Tickets: tickets[3:]})
	})
	for _, state := range []string{"pending", "authorized", "failed"} {
		add("sandbox "+state, 200, func(r *Renderer, w http.ResponseWriter) error {
			return r.SandboxPay(w, SandboxView{Frame: frame, Ref: s.token, ClientSecret: s.token, Order: "0dq3k5m2p8r7t1v9b4c6f0h0d1", EventName: s.name, Items: items, Total: total, State: state, Deadline: noon.Add(time.Minute), Cards: []SandboxCard{{"4242424242424242", "US", "normal"}}})
		})
	}
	for _, failure := range []string{"", s.text} {
		add("stripe "+failure, 200, func(r *Renderer, w http.ResponseWriter) error {
			return r.StripePay(w, StripeView{Frame: frame, Key: s.token, ClientSecret: s.token, Order: "0dq3k5m2p8r7t1v9b4c6f0h0d1", EventName: s.name, Items: items, Total: total, Failure: failure, Deadline: noon.Add(time.Minute)})
		})
	}
	add("tickets", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Tickets(w, TicketsView{Frame: frame, Groups: []TicketGroup{{Event: event, Order: "0dq3k5m2p8r7t1v9b4c6f0h0d1", Tickets: tickets}, {Event: event, Tickets: tickets[:1]}}})
	})
	add("report", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Report(w, ReportView{Frame: desk, Event: event, Phase: phases[3], MadeAt: noon, Drawn: true, Data: map[string]any{"name": s.name}, Failed: 2,
			Funnel: []FunnelRow{{"Bought", 1200, 40}}, Types: []TypeRow{{s.name, 90, 90, total}}, Paid: []ropeline.Money{total}, Refunded: []ropeline.Money{total}, Waits: []WaitRow{{"half", 95}}})
	})
	add("report, nothing known", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Report(w, ReportView{Frame: desk, Event: event})
	})
	add("tickets, none", 200, func(r *Renderer, w http.ResponseWriter) error { return r.Tickets(w, TicketsView{Frame: frame}) })
	add("link", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Link(w, LinkView{Frame: frame, URL: "https://tickets.example/recover/" + s.token, QR: "data:image/png;base64," + s.token, Life: 5 * time.Minute, Line: "/events/x/line"})
	})
	add("confirm", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Confirm(w, ConfirmView{Frame: frame, Title: s.name, Detail: s.text, Action: "/events/x/leave", Yes: "Yes", No: Link{Text: "No", Href: "/"}})
	})
	add("problem", 404, func(r *Renderer, w http.ResponseWriter) error {
		return r.Problem(w, ProblemView{Frame: frame, Status: 404, Code: ropeline.CodeEventNotFound, Detail: s.text, Next: Link{Text: s.name, Href: s.token}})
	})
	add("problem, bare", 500, func(r *Renderer, w http.ResponseWriter) error { return r.Problem(w, ProblemView{}) })
	fields := []Field{{Name: "email", Type: "email", Label: s.name, Autocomplete: "username", Value: s.text}, {Name: "password", Type: "password", Label: s.name, Autocomplete: "current-password"}}
	add("form", 422, func(r *Renderer, w http.ResponseWriter) error {
		return r.Form(w, FormView{Frame: frame, Status: 422, Title: s.name, Lead: s.text, Problem: s.text, Action: "/login", Next: s.token, Fields: fields, Button: s.name, Links: []Link{{s.name, "/register"}}})
	})
	add("form, none", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Form(w, FormView{Title: s.name, Lead: s.text})
	})
	person := Person{ID: s.token, Email: s.name, Role: "owner", TOTP: true}
	add("people", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.People(w, PeopleView{Frame: desk, ID: s.token, Name: s.name, Owner: true, Me: s.token, Members: []Person{person}, Invitations: []Person{person},
			Keys: []Key{{ID: s.token, Name: s.name, Prefix: s.token, Scopes: []string{"event.view"}, LastUsed: &noon}, {Name: s.name}}, Roles: []string{"owner", "viewer"}, Scopes: []string{"event.view"}})
	})
	add("people, looking", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.People(w, PeopleView{Frame: desk, ID: s.token, Name: s.name, Members: []Person{person}, TOTPRequired: true})
	})
	add("security", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Security(w, SecurityView{Frame: desk, Wanted: true})
	})
	add("security, in force", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Security(w, SecurityView{Frame: desk, TOTP: true, Codes: 1})
	})
	add("audit", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Audit(w, AuditView{Frame: desk, Object: s.token, Actor: s.name, Entries: []AuditEntry{{noon, s.name, s.text, s.token, s.text, s.text}}, Next: "/admin/audit?before=7"})
	})
	add("audit, nothing", 200, func(r *Renderer, w http.ResponseWriter) error { return r.Audit(w, AuditView{Frame: desk}) })
	add("account", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Account(w, AccountView{Frame: frame, Email: s.name, Desk: true, Sessions: []Session{{s.text, noon, true}, {"", noon, false}}})
	})
	add("gates", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Gates(w, GatesView{Frame: desk, Events: []ropeline.Event{event}})
	})
	add("reviews", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Reviews(w, ReviewsView{Frame: desk, Events: []ropeline.Event{event, eventOf(s)}, Event: event, Next: "/admin/reviews?after=x", Reviews: []Review{
			{Order: "0dq3k5m2p8r7t1v9b4c6f0h0c1", Email: s.text, Total: total, Placed: noon, Percent: 71, Reasons: []string{s.text, s.name}, Deadline: noon.Add(time.Hour), AtDeadline: "reject"}}})
	})
	add("reviews, none", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Reviews(w, ReviewsView{Frame: desk, Event: event})
	})
	for _, review := range []string{"waiting", "rejected"} {
		add("order, review "+review, 200, func(r *Renderer, w http.ResponseWriter) error {
			state := map[string]string{"waiting": "pending", "rejected": "canceled"}[review]
			return r.Order(w, OrderView{Frame: frame, Event: event, ID: "0dq3k5m2p8r7t1v9b4c6f0h0d1", State: state, Email: s.text, Items: items, Total: total,
				CreatedAt: noon, Deadline: noon, Payment: Payment{State: "authorized"}, Review: review})
		})
	}
	row := OrderRow{ID: "0dq3k5m2p8r7t1v9b4c6f0h0d1", Email: s.name, Event: event, State: "paid", Review: true, Total: total, Refunded: &items[0].Unit, Tickets: 2, Placed: noon}
	add("orders", 200, func(r *Renderer, w http.ResponseWriter) error {
		rows := []OrderRow{row, {ID: "0dq3k5m2p8r7t1v9b4c6f0h0d2", Email: s.text, Event: event, State: "expired", Total: total, Placed: noon}}
		return r.Orders(w, OrdersView{Frame: desk, Query: s.text, State: "paid", Event: event.ID, Events: []ropeline.Event{event}, Rows: rows, From: "2026-11-01", First: true, Exports: []Link{{"orders", "/admin/events/x/exports/orders.csv"}, {"check-ins", "/admin/events/x/exports/checkins.csv"}}, Next: "/admin/orders?after=x"})
	})
	add("orders, none", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Orders(w, OrdersView{Frame: desk, Query: s.name, First: true})
	})
	percent := 71
	file := OrderFileView{Frame: desk, Event: event, ID: row.ID, Fan: "0dq3k5m2p8r7t1v9b4c6f0h0f1", Email: s.name, State: "paid", Message: s.text, Items: items, Total: total, Given: items[0].Unit, Left: items[0].Unit,
		Placed: noon, Percent: &percent, Reasons: []string{s.text, s.name}, Review: true, Payments: []PaymentRow{{Provider: "stripe", Ref: "pi_3PqXyZ", State: "confirmed", Card: "visa ending in 4242, AT", Amount: total, Failure: s.text}},
		Tickets:  []DeskTicket{{ID: "0dq3k5m2p8r7t1v9b4c6f0h0c1", Name: s.name, State: "issued", Revision: 2, Live: true}, {ID: "0dq3k5m2p8r7t1v9b4c6f0h0c2", Name: s.name, State: "checked_in", Revision: 1, Live: true}, {ID: "0dq3k5m2p8r7t1v9b4c6f0h0c3", Name: s.name, State: "revoked"}},
		Timeline: []Moment{{noon, "order", "Tickets were held", s.text}, {noon, "fraud", "Scored 71 % likely fraud", s.name}, {noon, "money", "Payment confirmed", "90.00 EUR · stripe"}, {noon, "ticket", "2 tickets were issued", ""}, {noon, "message", "Message “tickets”", "to a…@example.com · sent"}, {noon, "gate", "Ticket at the gate: accepted", "North"}, {noon, "desk", "Desk: order.refund", s.name}},
		Act:      true, Refundable: true, Cancelable: true, Canceling: true, Resend: true, Key: s.token, Done: s.text}
	add("order file", 200, func(r *Renderer, w http.ResponseWriter) error { return r.OrderFile(w, file) })
	add("order file, looking", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.OrderFile(w, OrderFileView{Frame: desk, Event: event, ID: row.ID, State: "pending", Items: items, Total: total, Placed: noon})
	})
	run := ReconciliationRow{ID: 7, Daily: true, Provider: s.name, StartedAt: noon, FinishedAt: &noon, Seen: 1200, Ours: 1199, Healed: 1, Alerts: 1}
	add("reconciliations", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Reconciliations(w, ReconciliationsView{Frame: desk, Runs: []ReconciliationRow{run, {ID: 6, Provider: "sandbox", StartedAt: noon}, {ID: 5, Provider: "sandbox", StartedAt: noon, FinishedAt: &noon}, {ID: 4, Failed: true}}, Next: "/admin/reconciliations?before=4"})
	})
	add("reconciliations, none", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Reconciliations(w, ReconciliationsView{Frame: desk})
	})
	difference := Difference{Kind: "other amount", Payment: s.token, Ref: "pi_3PqXyZ", Detail: s.text, At: noon}
	add("reconciliation", 200, func(r *Renderer, w http.ResponseWriter) error {
		open := difference
		open.Why, open.Payment, open.Subject = s.text, "", s.token
		return r.Reconciliation(w, ReconciliationView{Frame: desk, Run: run, Since: noon, Error: s.text, Open: []Difference{open}, Healed: []Difference{difference}})
	})
	add("reconciliation, nothing", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Reconciliation(w, ReconciliationView{Frame: desk, Run: run, Since: noon})
	})
	add("confirm, danger", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Confirm(w, ConfirmView{Frame: desk, Title: "Give back €45.00?", Detail: s.text, Action: "/admin/orders/x/refunds", Yes: "Give it back", No: Link{Text: "Change nothing", Href: "/admin/orders/x"}, Danger: true, Hidden: []Field{{Name: "reason", Value: s.text}}})
	})
	add("gates, none", 200, func(r *Renderer, w http.ResponseWriter) error { return r.Gates(w, GatesView{Frame: desk}) })
	add("gate", 200, func(r *Renderer, w http.ResponseWriter) error { return r.Gate(w, GateView{Frame: desk, Event: event}) })
	add("login", 200, func(r *Renderer, w http.ResponseWriter) error { return r.Login(w, LoginView{Frame: frame}) })
	add("login again", 401, func(r *Renderer, w http.ResponseWriter) error {
		return r.Login(w, LoginView{Frame: frame, Email: s.name, Problem: s.text, Next: s.token})
	})
	add("organizer", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Organizer(w, OrganizerView{Frame: desk, New: FreshEvent(), Places: []Link{{s.name, "/admin/audit"}}, Owner: true, MailLogged: true, Events: []OrganizerRow{{Event: event, Phase: phases[1], Waiting: 15377, Shoppers: 187, Sold: 3388, Capacity: 4700, Revenue: total}}})
	})
	add("organizer, none", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Organizer(w, OrganizerView{Frame: desk, New: FreshEvent()})
	})
	add("organizer, something wrong", 400, func(r *Renderer, w http.ResponseWriter) error {
		form := FreshEvent()
		form.Status, form.Problem, form.Preview, form.Name, form.Description, form.Types = 400, s.text, s.text, s.name, s.text, []NewType{{s.name, "45.00", "5000", "4"}, {}}
		return r.Organizer(w, OrganizerView{Frame: desk, New: form})
	})
	add("organizer event", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.OrganizerEvent(w, OrganizerEventView{Frame: desk, Offer: offer(phases[1]), Rules: rules, History: []Rules{rules, {Version: 2, ChangedBy: s.name, Paused: true, Changes: s.text}},
			Draw:       &draw.Record{State: "closed", Source: draw.Public, Promise: s.text},
			Thresholds: &Thresholds{Version: 2, Enabled: true, ReviewAt: "50", RejectAt: "97.5", ReviewHours: 24, AtDeadline: "approve", ChangedBy: s.name, ChangedAt: noon}, ThresholdsChanged: true})
	})
	for _, state := range []string{"dead", "queued", "moot"} {
		add("notifications "+state, 200, func(r *Renderer, w http.ResponseWriter) error {
			return r.Notifications(w, NotificationsView{Frame: desk, State: state, Mail: "log", States: []StateCount{{"dead", 3}, {"queued", 70000}},
				Rows: []NotificationRow{{ID: s.token, Kind: "tickets", To: s.name, Attempts: 3, NextAt: &noon, LastError: s.text, ChangedAt: noon}}})
		})
	}
	add("notifications, none", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Notifications(w, NotificationsView{Frame: desk, State: "dead", Mail: "smtp", SMS: "twilio"})
	})
	add("queues", 200, func(r *Renderer, w http.ResponseWriter) error {
		return r.Queues(w, QueuesView{Frame: desk, Queues: []QueueRow{{Name: "letters", States: []StateCount{{"pending", 3}, {"archived", 1}}, Oldest: time.Second}},
			Queue: "letters", State: "archived", Tasks: []TaskRow{{ID: s.token, Type: "letter", Payload: s.text, Error: s.text, FailedAt: &noon, NextAt: &noon, Run: true, Archive: true, Delete: true}}, Next: 2})
	})
	add("api", 200, func(r *Renderer, w http.ResponseWriter) error {
		field := APIField{Name: s.name, Where: "query", Words: s.text, Kind: APIKind{Before: "list of ", Schema: "Thing", After: " or null"}, Required: true}
		return r.API(w, APIView{Frame: frame, About: []string{s.text}, Ways: []APIField{field}, Problems: []APIField{{Name: "not_found", Where: "404", Words: s.text}},
			Schemas: []APISchema{{Name: "Thing", Fields: []APIField{field}}}, Chapters: []APIChapter{{ID: "line", Name: s.name, Lead: s.text, Operations: []APIOperation{
				{ID: "get_it", Method: "GET", Path: s.token, Says: s.text, More: s.text, Ways: s.name, Params: []APIField{field}, Body: []APIField{field}, BodyExample: s.text,
					Answers: []APIAnswer{{Status: "200", Words: "OK", Example: s.text, Kinds: []APIKind{field.Kind}}}, Problems: []APIAnswer{{Status: "404", Words: "not_found"}}}}}}})
	})
	add("queues, none", 200, func(r *Renderer, w http.ResponseWriter) error { return r.Queues(w, QueuesView{Frame: desk}) })
	return all
}

// lines is the waiting page in each of its scenes, the fullest first.
func lines(event ropeline.Event, s sayings) []LineView {
	soon := noon.Add(90 * time.Second)
	waiting := ropeline.Status{Event: event.ID, Phase: ropeline.PhaseOnSale, Standing: ropeline.StandingWaiting, Epoch: 1, Offset: "1795176000000-0",
		Number: 48213, Position: 1204, Waiting: 15377, Wait: &ropeline.Range{Low: 110, High: 290}, Place: s.token, NextMS: 2000,
		Announcement: &ropeline.Announcement{ID: s.token, Text: s.text[:min(280, len(s.text))], At: noon}}
	view := func(change func(*LineView)) LineView {
		v := LineView{Frame: Frame{Now: noon}, Offer: Offer{Event: event, Phase: ropeline.PhaseOnSale}, Status: waiting, Start: 4100, ShowUp: 2 * time.Minute, Problem: s.text, Tell: true, TellSMS: true, Alert: s.name}
		change(&v)
		return v
	}
	return []LineView{
		view(func(*LineView) {}),
		view(func(v *LineView) {
			v.Status.Position, v.Status.Paused, v.Status.Wait, v.Start, v.Problem = 0, true, nil, 0, ""
		}),
		view(func(v *LineView) {
			v.Status.Standing, v.Status.Pass, v.Status.PassUntil = ropeline.StandingAdmitted, s.token, &soon
		}),
		view(func(v *LineView) { v.Status.Standing, v.Status.ShopUntil = ropeline.StandingShopping, &soon }),
		view(func(v *LineView) { v.Status.Standing = ropeline.StandingGone }),
		view(func(v *LineView) { v.Phase = ropeline.PhaseSoldOut }),
		view(func(v *LineView) { v.Phase = ropeline.PhaseClosed }),
		view(func(v *LineView) {
			v.Status.Standing, v.Status.Number, v.Status.Position, v.Phase = ropeline.StandingLobby, -1, -1, ropeline.PhaseLobby
		}),
		view(func(v *LineView) {
			v.Status.Standing, v.Status.Number, v.Status.Position, v.Phase = ropeline.StandingLobby, -1, -1, ropeline.PhaseDrop
		}),
		view(func(v *LineView) { v.Status = ropeline.Status{} }),
		view(func(v *LineView) { v.Status, v.Phase = ropeline.Status{}, ropeline.PhaseAnnounced }),
	}
}

func (s scene) page(t testing.TB, r *Renderer) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.draw(r, w); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return w
}

func TestEveryPageCarriesItsHeaders(t *testing.T) {
	r := newRenderer(t)
	for _, s := range scenes(calm) {
		w := s.page(t, r)
		if w.Code != s.status {
			t.Errorf("%s: status %d, want %d", s.name, w.Code, s.status)
		}
		policy := Policy
		if strings.HasPrefix(s.name, "stripe") {
			policy = StripePolicy
		}
		for key, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "same-origin", "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding",
		} {
			if got := w.Header().Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", s.name, key, got, want)
			}
		}
	}
}

func TestAHeaderOfTheHandlerStays(t *testing.T) {
	w := httptest.NewRecorder()
	for key, value := range Bare { // as every answer has them before its handler runs
		w.Header()[key] = value
	}
	w.Header().Set("Cache-Control", "no-store")
	if err := newRenderer(t).Tickets(w, TicketsView{}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"Cache-Control": "no-store", "Content-Security-Policy": Policy, "Referrer-Policy": "same-origin"} {
		if got := w.Header().Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func TestSceneOfEveryStanding(t *testing.T) {
	want := []string{"waiting", "waiting", "turn", "shopping", "gone", "soldout", "closed", "lobby", "lobby", "absent", "absent"}
	for i, v := range lines(eventOf(calm), calm) {
		if v.Scene() != want[i] {
			t.Errorf("view %d: scene %q, want %q", i, v.Scene(), want[i])
		}
	}
}
