package web_test

import (
	"net/http"
	"strings"
	"testing"
)

// People of an organization by the API: it is made, somebody is invited, looks
// at the invitation, joins, has another role and goes; keys come and go.
func TestPeopleByTheAPI(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	owner := h.signIn(t)
	type made struct{ ID, Token string }
	at := "/admin/organizations/" + decode[made](t, h.ask(t, "POST", "/admin/organizations", `{"name":"The Hall"}`, owner), http.StatusCreated).ID
	session := "Authorization: Bearer " + h.account(t, "fan@example.org")
	gone := decode[made](t, h.ask(t, "POST", at+"/invitations", `{"email":"nobody@example.org","role":"viewer"}`, owner), http.StatusCreated)
	<-h.mails
	if got := h.ask(t, "DELETE", at+"/invitations/"+gone.ID, "", owner); got.status != http.StatusNoContent {
		t.Errorf("%d %s", got.status, got.body)
	}
	decode[made](t, h.ask(t, "POST", at+"/invitations", `{"email":"fan@example.org","role":"viewer"}`, owner), http.StatusCreated)
	link := (<-h.mails).data["url"]
	path := "/invitations/" + link[strings.LastIndexByte(link, '/')+1:]
	if got := h.ask(t, "GET", path, "", session); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.ask(t, "POST", path, `{}`, session); got.status >= 300 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	account := decode[struct{ Account made }](t, h.ask(t, "GET", "/sessions", "", session), http.StatusOK).Account.ID
	if got := h.ask(t, "PUT", at+"/members/"+account, `{"role":"gate"}`, owner); got.status >= 300 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.ask(t, "DELETE", at+"/members/"+account, "", owner); got.status >= 300 {
		t.Errorf("%d %s", got.status, got.body)
	}
	key := decode[made](t, h.ask(t, "POST", at+"/keys", `{"name":"gates","scopes":["gate.view"]}`, owner), http.StatusCreated)
	if got := h.ask(t, "DELETE", at+"/keys/"+key.ID, "", owner); got.status >= 300 || key.Token == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
}
