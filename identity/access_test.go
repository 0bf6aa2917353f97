package identity_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
)

func TestAuthorize(t *testing.T) {
	mine, theirs := ropeline.NewID[ropeline.OrganizationID](), ropeline.NewID[ropeline.OrganizationID]()
	with := func(role identity.Role, totpWanted, totp bool) identity.Actor {
		return identity.Actor{Members: []identity.Membership{{Organization: mine, Name: "Mine", Role: role, TOTPRequired: totpWanted}}, TOTP: totp}
	}
	key := func(scopes ...identity.Action) identity.Actor {
		return identity.Actor{Key: true, Scopes: scopes, Members: []identity.Membership{{Organization: mine, TOTPRequired: true}}}
	}
	for name, c := range map[string]struct {
		actor        identity.Actor
		action       identity.Action
		organization ropeline.OrganizationID
		want         ropeline.Code
	}{
		"an owner":                          {with(identity.RoleOwner, false, false), identity.EditOrg, mine, ""},
		"an owner elsewhere":                {with(identity.RoleOwner, false, false), identity.ViewDesk, theirs, ropeline.CodeNotFound},
		"a fan":                             {identity.Actor{}, identity.ViewDesk, mine, ropeline.CodeNotFound},
		"a fan's own account":               {identity.Actor{}, identity.Self, "", ""},
		"too small a role":                  {with(identity.RoleGate, false, false), identity.ViewOrders, mine, ropeline.CodeForbidden},
		"a viewer sees no fan's name":       {with(identity.RoleViewer, false, false), identity.ViewOrders, mine, ropeline.CodeForbidden},
		"the gate checks in":                {with(identity.RoleGate, false, false), identity.CheckIn, mine, ""},
		"a second factor is missing":        {with(identity.RoleOwner, true, false), identity.ViewDesk, mine, ropeline.CodeTOTPRequired},
		"a second factor is there":          {with(identity.RoleOwner, true, true), identity.ViewDesk, mine, ""},
		"a key with the scope":              {key(identity.CheckIn), identity.CheckIn, mine, ""},
		"a key without it":                  {key(identity.CheckIn), identity.ViewGate, mine, ropeline.CodeForbidden},
		"a key elsewhere":                   {key(identity.CheckIn), identity.CheckIn, theirs, ropeline.CodeNotFound},
		"a key that says it may make keys":  {key(identity.EditOrg), identity.EditOrg, mine, ropeline.CodeForbidden},
		"a key has no account":              {key(identity.Actions()...), identity.Self, "", ropeline.CodeForbidden},
		"an owner who is not of the house":  {with(identity.RoleOwner, false, false), identity.Operate, mine, ropeline.CodeForbidden},
		"an action that nobody has thought": {with(identity.RoleOwner, false, false), "event.sing", mine, ropeline.CodeForbidden},
	} {
		if got := code(identity.Authorize(c.actor, c.action, c.organization)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	// Owners may do everything that anybody may; the smaller roles never more than the organizer, but for nothing.
	for _, action := range identity.Actions() {
		if !identity.RoleOwner.Allows(action) {
			t.Errorf("an owner may not %s", action)
		}
		for _, role := range identity.Roles {
			if role != identity.RoleOwner && role.Allows(action) && !identity.RoleOrganizer.Allows(action) {
				t.Errorf("%s may %s, and an organizer may not", role, action)
			}
		}
	}
}

func TestPeopleOfAnOrganization(t *testing.T) {
	accounts, mails, pool := openAccounts(t)
	ctx := t.Context()
	tx := func(do func(pgx.Tx) error) ropeline.Code {
		t.Helper()
		return code(pgx.BeginFunc(ctx, pool, do))
	}
	member := func(email string) identity.Account {
		t.Helper()
		if err := accounts.SendLink(ctx, email); err != nil {
			t.Fatal(err)
		}
		_, account, _, err := accounts.SetPassword(ctx, (<-mails).token(), goodPassword, "")
		if err != nil {
			t.Fatal(err)
		}
		return account
	}
	owner, guest := member("owner@example.org"), member("guest@example.org")
	var o identity.Organization
	tx(func(tx pgx.Tx) (err error) {
		o, err = accounts.CreateOrganization(ctx, tx, " The Hall ", owner.ID)
		return err
	})
	if o.Name != "The Hall" {
		t.Fatalf("%+v", o)
	}
	setRole := func(who identity.Account, role identity.Role) ropeline.Code {
		return tx(func(tx pgx.Tx) error { _, err := accounts.SetRole(ctx, tx, o.ID, who.ID, role); return err })
	}
	for _, role := range []identity.Role{identity.RoleViewer, ""} {
		if got := setRole(owner, role); got != ropeline.CodeLastOwner {
			t.Errorf("the only owner becomes %q: %s", role, got)
		}
	}
	if got := setRole(guest, identity.RoleViewer); got != ropeline.CodeNotFound {
		t.Errorf("a role for somebody who was not invited: %s", got)
	}

	invite := func(email string, role identity.Role) letter {
		t.Helper()
		if got := tx(func(tx pgx.Tx) error { _, err := accounts.Invite(ctx, tx, o, email, role, owner.Email); return err }); got != "" {
			t.Fatal(got)
		}
		return <-mails
	}
	first, second := invite("guest@example.org", identity.RoleGate), invite("guest@example.org", identity.RoleOrganizer)
	if _, err := accounts.Invited(ctx, first.token()); code(err) != ropeline.CodeLinkInvalid {
		t.Errorf("an invitation that another one replaced: %v", err)
	}
	if _, _, err := accounts.Accept(ctx, second.token(), identity.Account{}, goodPassword, "", false); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("an invitation of an account that is not logged in: %v", err)
	}
	if _, _, err := accounts.Accept(ctx, second.token(), owner, "", "", false); code(err) != ropeline.CodeForbidden {
		t.Errorf("somebody else's invitation: %v", err)
	}
	session, _, err := accounts.Accept(ctx, second.token(), guest, "", "", false)
	if err != nil {
		t.Fatal(err)
	}
	if actor, err := accounts.Actor(ctx, session); err != nil || len(actor.Members) != 1 || actor.Members[0].Role != identity.RoleOrganizer || actor.Members[0].Name != "The Hall" {
		t.Errorf("%+v %v", actor, err)
	}
	if _, _, err := accounts.Accept(ctx, second.token(), guest, "", "", false); code(err) != ropeline.CodeLinkInvalid {
		t.Errorf("an invitation twice: %v", err)
	}
	fresh := invite("new@example.org", identity.RoleViewer)
	if _, _, err := accounts.Accept(ctx, fresh.token(), identity.Account{}, "short", "", false); code(err) != ropeline.CodeInvalidPassword {
		t.Errorf("a short password: %v", err)
	}
	if _, _, err := accounts.Accept(ctx, fresh.token(), identity.Account{}, goodPassword, "", false); err != nil {
		t.Fatal(err)
	}
	back := invite("late@example.org", identity.RoleViewer)
	open, err := accounts.Invitations(ctx, o.ID)
	if err != nil || len(open) != 1 || open[0].Email != "late@example.org" {
		t.Fatalf("%+v %v", open, err)
	}
	tx(func(tx pgx.Tx) error { return accounts.Uninvite(ctx, tx, o.ID, open[0].ID) })
	if _, err := accounts.Invited(ctx, back.token()); code(err) != ropeline.CodeLinkInvalid {
		t.Errorf("an invitation that was taken back: %v", err)
	}

	if got := setRole(guest, identity.RoleOwner); got != "" {
		t.Fatal(got)
	}
	if got := setRole(owner, ""); got != "" {
		t.Errorf("one of two owners leaves: %s", got)
	}
	members, err := accounts.Members(ctx, o.ID)
	if err != nil || len(members) != 2 || members[0].Role != identity.RoleOwner {
		t.Errorf("%+v %v", members, err)
	}
}

func TestKeys(t *testing.T) {
	accounts, _, pool := openAccounts(t)
	ctx := t.Context()
	make := func(scopes ...identity.Action) (k identity.Key, err error) {
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
			k, err = accounts.CreateKey(ctx, tx, identity.HouseOrganization, "the till", scopes, "owner@example.org")
			return err
		})
		return k, err
	}
	for _, scopes := range [][]identity.Action{nil, {"everything"}, {identity.ViewEvent, identity.EditOrg}, {identity.Self}} {
		if _, err := make(scopes...); code(err) != ropeline.CodeInvalidRequest {
			t.Errorf("%v: %v", scopes, err)
		}
	}
	k, err := make(identity.ViewEvent, identity.CheckIn, identity.ViewEvent)
	if err != nil || len(k.Scopes) != 2 || !identity.IsKey(k.Token) {
		t.Fatalf("%+v %v", k, err)
	}
	actor, err := accounts.Actor(ctx, k.Token)
	if err != nil || !actor.Key || actor.Members[0].Organization != identity.HouseOrganization || !slices.Equal(actor.Scopes, k.Scopes) {
		t.Fatalf("%+v %v", actor, err)
	}
	for _, bad := range []string{k.Token + "A", k.Token[:len(k.Token)-1], "rlk_", "rlk_x_y", "rlk_" + k.Prefix + "_\x00", "rlk_\xff_A"} {
		if _, err := accounts.Actor(ctx, bad); code(err) != ropeline.CodeUnauthenticated {
			t.Errorf("%q: %v", bad, err)
		}
	}
	keys, err := accounts.Keys(ctx, identity.HouseOrganization)
	if err != nil || len(keys) != 1 || keys[0].Token != "" || keys[0].LastUsedAt == nil || keys[0].Prefix != k.Prefix {
		t.Errorf("%+v %v", keys, err)
	}
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return accounts.RevokeKey(ctx, tx, identity.HouseOrganization, string(k.ID)) }); err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Actor(ctx, k.Token); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("a revoked key: %v", err)
	}
}
