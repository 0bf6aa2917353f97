package web_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web"
)

// whom says who finds the door of a route outside the desk open.
type whom string

const (
	everybody whom = "everybody"
	anyFan    whom = "any fan"      // and any account: what it shows is the caller's own
	joiner    whom = "joiner"       // nobody becomes a fan; a false token does not
	itsFan    whom = "its fan"      // the object is hidden from everybody else
	anAccount whom = "an account"   // its own sessions
	leaver    whom = "who leaves"   // everybody; it ends the session, so it is asked last
	aSecret   whom = "with secrets" // a password, a signature, a link: an empty body opens it for nobody
)

// doors are all routes outside the desk, which the test above walks.
var doors = map[string]whom{
	"GET /": everybody, "GET /events": everybody, "GET /events/:event": everybody, "GET /events/:event/work": everybody, "GET /events/:event/pace": everybody,
	"GET /events/:event/fairness": everybody, "GET /events/:event/fairness/file": everybody, "GET /events/:event/line": everybody, "GET /events/:event/shop": everybody,
	"GET /events/:event/gate/keys": everybody, "GET /pictures/:hash/:file": everybody, "GET /events/:event/calendar.ics": everybody, "GET /openapi.json": everybody, "GET /docs/api": everybody,
	"GET /healthz": everybody, "GET /readyz": everybody, "GET /metrics": everybody, "GET /static/*file": everybody, "HEAD /static/*file": everybody, "GET /gate/sw.js": everybody,
	"GET /login": everybody, "GET /register": everybody, "GET /forgot": everybody, "GET /account": everybody, "POST /logout": leaver,
	"GET /admin/login": everybody, "POST /admin/logout": leaver, "DELETE /sessions/current": leaver, "POST /events/:event/leave": everybody,

	"POST /events/:event/queue": joiner, "POST /events/:event/line": joiner,

	"GET /events/:event/queue": anyFan, "DELETE /events/:event/queue": anyFan, "GET /events/:event/queue/ws": anyFan, "GET /events/:event/queue/sse": anyFan,
	"POST /events/:event/queue/link": anyFan, "GET /events/:event/receipt": anyFan, "POST /events/:event/enter": anyFan, "POST /events/:event/reserve-tickets": anyFan,
	"POST /events/:event/notify": anyFan, "DELETE /events/:event/notify": anyFan, "GET /users/me/tickets": anyFan,

	"GET /reservations/:reservation": itsFan, "PUT /reservations/:reservation": itsFan, "POST /orders": itsFan, "GET /orders/:order": itsFan,
	"POST /orders/:order/resend": itsFan, "GET /orders/:order/pay": itsFan, "GET /orders/:order/tickets.pdf": itsFan, "GET /tickets/:ticket": itsFan,
	"GET /tickets/:ticket/qr.png": itsFan, "GET /tickets/:ticket/transfer": itsFan, "POST /tickets/:ticket/transfer": itsFan, "GET /sandbox/pay/:ref": itsFan, "DELETE /reservations/:reservation": itsFan,

	"GET /sessions": anAccount, "DELETE /sessions": anAccount,

	"POST /accounts": aSecret, "POST /accounts/reset": aSecret, "POST /accounts/password": aSecret, "POST /sessions": aSecret, "POST /admin/login": aSecret,
	"POST /login": aSecret, "POST /register": aSecret, "POST /forgot": aSecret, "GET /password/:token": aSecret, "POST /password/:token": aSecret,
	"GET /invitations/:token": aSecret, "POST /invitations/:token": aSecret, "GET /recover/:token": aSecret, "POST /recover/:token": aSecret,
	"POST /payments/webhook": aSecret, "POST /sandbox/intents/:ref/confirm": aSecret,
}

// TestEveryPublicRouteForEveryCaller asks every route outside the desk as
// nobody, as the fan whose objects these are, as another fan, with an account
// in every role of the event's organization and of another one, with an API
// key, and with a token that is none.
func TestEveryPublicRouteForEveryCaller(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	own, sessions := h.organization(t, "own")
	_, others := h.organization(t, "other")
	event := h.event(t, func(e *ropeline.Event, _ *admission.Rules) { e.Organization = own })
	objects, buyer := h.objects(t, event)
	stranger := h.join(t, event.ID).enter(t)
	key := h.key(t, own, identity.Actions()...)

	type caller struct {
		name, token string
		headers     []string
	}
	its := caller{"the fan of it", buyer.token, []string{"Ropeline-Shopper: " + buyer.shopper}}
	accounts := []caller{}
	for _, role := range identity.Roles {
		accounts = append(accounts, caller{string(role), sessions[role], nil}, caller{string(role) + " elsewhere", others[role], nil})
	}
	fans := []caller{{"another fan", stranger.token, []string{"Ropeline-Place: " + stranger.status.Place, "Ropeline-Shopper: " + stranger.shopper}}}
	nobodies := []caller{{"nobody", "", nil}, {"a key", key, nil}, {"a false token", "none", nil}}

	for route := range web.Access() {
		if _, path, _ := strings.Cut(route, " "); web.Access()[route] == "" && doors[route] == "" {
			t.Errorf("%s has no line in doors (access_public_test.go): say who finds it open", path)
		}
	}
	bodies := map[string]string{ // of those that look at it before they look whose it is, or have the object in it
		"POST /orders":                   fmt.Sprintf(`{"reservation":%q,"email":"a@b.example"}`, objects["reservation"]),
		"PUT /reservations/:reservation": fmt.Sprintf(`{"items":[{"ticket_type":%q,"quantity":1}]}`, objects["type"]),
	}
	routes := slices.SortedFunc(maps.Keys(doors), func(a, b string) int {
		if last := strings.Compare(fmt.Sprint(doors[a] == leaver), fmt.Sprint(doors[b] == leaver)); last != 0 {
			return last
		}
		return strings.Compare(a, b)
	})
	for _, route := range routes {
		who := doors[route]
		if action, known := web.Access()[route]; !known || action != "" {
			t.Errorf("%s is in doors, and is no route outside the desk", route)
			continue
		}
		at := strings.NewReplacer("/tickets/:ticket", "/tickets/:ticket.pdf", "*file", "none.css").Replace(route)
		if strings.HasSuffix(route, "/qr.png") || strings.HasSuffix(route, "/transfer") {
			at = route
		}
		expect := func(want door, callers ...caller) {
			t.Helper()
			for _, c := range callers {
				headers := c.headers
				if body := bodies[route]; body != "" {
					headers = append([]string{"body: " + body}, headers...)
				}
				door, got := h.knock(t, at, objects, c.token, headers...)
				if want == shut && got.status >= http.StatusBadRequest && got.status < 500 {
					continue // refused, in whichever words
				}
				if door != want {
					t.Errorf("%s as %s: %s, want %s (%d %.200s)", route, c.name, door, want, got.status, got.body)
				}
			}
		}
		switch who {
		case everybody, leaver:
			expect(open, append(append(nobodies, fans...), append(accounts, its)...)...)
		case joiner:
			expect(open, nobodies[0], fans[0], its)
			expect(open, accounts...)
			expect(unknown, nobodies[1:]...)
		case anyFan:
			expect(unknown, nobodies...)
			expect(open, fans...)
			expect(open, accounts...)
			expect(open, its)
		case itsFan:
			expect(unknown, nobodies...)
			expect(hidden, fans...)
			expect(hidden, accounts...)
			if route != "POST /orders" && route != "DELETE /reservations/:reservation" {
				expect(open, its) // the two would end what the next ones ask for
			}
		case anAccount:
			expect(unknown, nobodies...)
			expect(unknown, fans...)
			expect(open, caller{"an account", h.account(t, "ends@example.org"), nil})
		case aSecret:
			expect(shut, append(append(nobodies, fans...), accounts...)...)
		}
	}
	for _, route := range []string{"POST /orders", "DELETE /reservations/:reservation"} {
		if door, got := h.knock(t, route, objects, buyer.token, "body: "+bodies[route]); door != open {
			t.Errorf("%s as its fan: %s (%d %s)", route, door, got.status, got.body)
		}
	}
	if got := stranger.ask(t, "GET", "/users/me/tickets", ""); strings.Contains(got.body, objects["ticket"]) {
		t.Error("another fan is shown the ticket")
	}
}

// key is an API key of an organization.
func (h *house) key(t *testing.T, organization ropeline.OrganizationID, scopes ...identity.Action) (token string) {
	t.Helper()
	h.tx(t, func(tx pgx.Tx) error {
		k, err := h.accounts.CreateKey(t.Context(), tx, organization, "test", scopes, "test")
		token = k.Token
		return err
	})
	return token
}
