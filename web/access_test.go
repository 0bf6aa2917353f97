package web_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web"
)

// Every route has a line in the table, and every line a route.
func TestEveryRouteIsInTheTable(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	table, routes := web.Access(), map[string]bool{}
	for _, r := range h.server.Routes() {
		name := r.Method + " " + r.Path
		routes[name] = true
		action, known := table[name]
		desk := strings.HasPrefix(r.Path, "/admin") || strings.HasPrefix(r.Path, "/gate")
		switch {
		case !known:
			t.Errorf("%s is missing from the table in web/access_table.go: add a line with the action that it is (identity/access.go), or open outside the desk", name)
		case !desk && action != "":
			t.Errorf("%s has the action %s, and nothing asks for it: only routes below /admin and /gate pass the desk's door", name, action)
		case action != "" && action != identity.Self && !slices.ContainsFunc(identity.Roles, func(r identity.Role) bool { return r.Allows(action) }):
			t.Errorf("%s is %q, which no role may do", name, action)
		}
	}
	for name := range table {
		if !routes[name] {
			t.Errorf("%s is in the table web/access_table.go, and there is no such route", name)
		}
	}
}

// organization makes one with an account in each role, and returns the
// sessions by role.
func (h *house) organization(t *testing.T, name string) (ropeline.OrganizationID, map[identity.Role]string) {
	t.Helper()
	var o identity.Organization
	sessions := map[identity.Role]string{}
	for _, role := range identity.Roles {
		email := strings.ReplaceAll(string(role), "_", "") + "@" + name + ".example"
		token := h.account(t, email)
		actor, err := h.accounts.Actor(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		h.tx(t, func(tx pgx.Tx) (err error) {
			if role == identity.RoleOwner {
				o, err = h.accounts.CreateOrganization(t.Context(), tx, name, actor.ID)
				return err
			}
			_, err = tx.Exec(t.Context(), "insert into memberships (organization_id, account_id, role) values ($1, $2, $3)", o.ID, actor.ID, role)
			return err
		})
		sessions[role] = token
	}
	return o.ID, sessions
}

// organizationID is where a session's account is a member.
func (h *house) organizationID(t *testing.T, session string) ropeline.OrganizationID {
	t.Helper()
	actor, err := h.accounts.Actor(t.Context(), session)
	if err != nil || len(actor.Members) != 1 {
		t.Fatalf("%+v %v", actor, err)
	}
	return actor.Members[0].Organization
}

func (h *house) tx(t *testing.T, do func(pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), h.Pool, do); err != nil {
		t.Fatal(err)
	}
}

// TestEveryRouteForEveryRole asks every route of the desk and the gate as
// nobody, as a fan, in every role of the organization that owns the object and
// of another one, as somebody who is no member any more, and with keys: of all
// scopes, of few, for the gate alone, of another organization, and revoked. Whether the door opens is all it looks at:
// 401, 403, and 404 for what belongs to others.
func TestEveryRouteForEveryRole(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	own, sessions := h.organization(t, "own")
	_, others := h.organization(t, "other")
	fan := h.account(t, "fan@example.org")
	event := h.event(t, func(e *ropeline.Event, _ *admission.Rules) { e.Organization = own })
	objects, _ := h.objects(t, event)
	objects["organization"] = string(own)
	all, looks := h.key(t, own, identity.Actions()...), h.key(t, own, identity.ViewDesk, identity.ViewEvent)
	gate, elsewhere := h.key(t, own, identity.ViewGate, identity.CheckIn), h.key(t, h.organizationID(t, others[identity.RoleOwner]), identity.Actions()...)
	revoked, removed := h.key(t, own, identity.Actions()...), h.account(t, "removed@own.example")
	h.tx(t, func(tx pgx.Tx) error {
		actor, err := h.accounts.Actor(t.Context(), removed)
		if err != nil {
			return err
		}
		for _, sql := range []string{"insert into memberships (organization_id, account_id, role) values ($1, $2, 'owner')", "delete from memberships where organization_id = $1 and account_id = $2"} {
			if _, err := tx.Exec(t.Context(), sql, own, actor.ID); err != nil {
				return err
			}
		}
		_, err = tx.Exec(t.Context(), "update api_keys set revoked_at = now() where prefix = split_part($1, '_', 2)", revoked)
		return err
	})

	ask := func(route, token string) (door, answer) {
		found, got := h.knock(t, route, objects, token)
		if found == unknown && token != "" {
			found = open // a handler that misses a code, say
		}
		return found, got
	}
	for route, action := range web.Access() {
		if action == "" {
			continue
		}
		_, path, _ := strings.Cut(route, " ")
		named := strings.Contains(path, ":") // an object of the own organization
		for param := range strings.SplitSeq(path, "/") {
			if name, is := strings.CutPrefix(param, ":"); is && objects[name] == "" {
				t.Errorf("%s: the test has no object for :%s; make one in house.objects", route, name)
			}
		}
		expect := func(who, token string, want door) {
			t.Helper()
			if door, got := ask(route, token); door != want {
				t.Errorf("%s as %s: %s, want %s (%d %.200s)", route, who, door, want, got.status, got.body)
			}
		}
		if door, got := ask(route, ""); door != unknown {
			t.Errorf("%s as nobody: %d %.200s", route, got.status, got.body)
		}
		if door, got := h.knock(t, route, objects, revoked); door != unknown {
			t.Errorf("%s with a key that was revoked: %d %.200s", route, got.status, got.body)
		}
		if action == identity.Self {
			expect("a fan", fan, open)
			expect("a key", all, shut)
			continue
		}
		expect("a fan", fan, shut)
		expect("somebody who was removed", removed, shut)
		if named {
			expect("a key of another organization", elsewhere, hidden)
		}
		for _, role := range identity.Roles {
			want := shut
			if role.Allows(action) && action != identity.Operate {
				want = open
			}
			if action == identity.Operate {
				want = hidden // it is of the house, which is neither
			}
			expect(string(role), sessions[role], want)
			if named {
				expect(string(role)+" elsewhere", others[role], hidden)
			}
		}
		for token, scopes := range map[string][]identity.Action{all: identity.Actions(), looks: {identity.ViewDesk, identity.ViewEvent}, gate: {identity.ViewGate, identity.CheckIn}} {
			want := shut
			if slices.Contains(scopes, action) {
				want = open
			}
			if action == identity.Operate {
				want = hidden
			}
			expect(fmt.Sprintf("a key for %v", scopes), token, want)
		}
	}
}

// door is what a caller finds.
type door string

const (
	unknown door = "unknown" // 401: say who you are
	shut    door = "shut"    // 403: not you
	hidden  door = "hidden"  // 404: what belongs to others is as good as not there
	open    door = "open"    // the handler looks at the request, whatever it then thinks of it
)

// knock asks a route for its objects with a token in the header.
func (h *house) knock(t *testing.T, route string, objects map[string]string, token string, headers ...string) (door, answer) {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	for param, id := range objects {
		path = strings.ReplaceAll(path, ":"+param, id)
	}
	if token != "" {
		headers = append(headers, "Authorization: Bearer "+token)
	}
	got := h.peek(t, method, path, headers...)
	code := ""
	if strings.HasPrefix(got.header.Get("Content-Type"), "application/problem+json") {
		code = got.code(t)
	}
	switch {
	case got.status == http.StatusUnauthorized && code == "unauthenticated":
		return unknown, got
	case got.status == http.StatusForbidden && code == "forbidden":
		return shut, got
	case got.status == http.StatusNotFound && slices.ContainsFunc([]string{"nothing at this address", "no such event", "no such order", "no such ticket", "no such reservation", "no such payment"},
		func(words string) bool { return strings.Contains(got.body, words) }):
		return hidden, got
	}
	return open, got
}

// peek asks with an empty body, or that of the header "body", and reads the head and the beginning of the
// answer: some routes answer for ever.
func (h *house) peek(t *testing.T, method, path string, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	body := "{}"
	for _, header := range headers {
		if text, is := strings.CutPrefix(header, "body: "); is {
			body = text
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said := make([]byte, 4096)
	n := 0
	if response.StatusCode >= 400 {
		n, _ = response.Body.Read(said)
	}
	return answer{response.StatusCode, response.Header, string(said[:n])}
}

// objects are one of each kind that routes name in their path, all of one
// event.
func (h *house) objects(t *testing.T, event ropeline.Event) (map[string]string, *fan) {
	t.Helper()
	buyer := h.join(t, event.ID).enter(t)
	order := buyer.buy(t, event, "buyer@example.org")
	held := decode[struct{ ID string }](t, buyer.ask(t, "POST", "/events/"+string(event.ID)+"/reserve-tickets",
		`{"items":[{"ticket_type":"`+string(event.TicketTypes[0].ID)+`","quantity":1}]}`, "Prefer: wait=5"), http.StatusCreated)
	ticket, payment, ref, refund := ropeline.NewID[ropeline.TicketID](), "", "", ropeline.NewID[ropeline.RefundID]()
	h.tx(t, func(tx pgx.Tx) error {
		if err := tx.QueryRow(t.Context(), "select id, provider_ref from payments where order_id = $1", order).Scan(&payment, &ref); err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), `insert into tickets (id, order_id, event_id, ticket_type_id, ordinal, fan_id, state)
			select $1, id, event_id, $3, 99, fan_id, 'issued' from orders where id = $2`, ticket, order, event.TicketTypes[0].ID); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `insert into refunds (id, payment_id, idempotency_key, state, amount_minor, currency, reason)
			values ($1, $2, 'test', 'done', 1, 'EUR', 'test')`, refund, payment)
		return err
	})
	return map[string]string{
		"event": string(event.ID), "type": string(event.TicketTypes[0].ID), "order": order, "ticket": string(ticket), "payment": payment, "refund": string(refund),
		"account": string(ropeline.NewID[ropeline.AccountID]()), "invite": "none", "key": "none", "queue": "none", "run": "none", "reservation": held.ID, "ref": ref, "token": "none", "export": "orders.csv", "hash": "none", "file": "none",
	}, buyer
}
