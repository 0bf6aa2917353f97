package identity

import (
	"slices"

	"github.com/ropeline/ropeline"
)

// Role is what an account is to one organization.
type Role string

// The roles.
const (
	RoleOwner     Role = "owner"      // everything, people and keys too
	RoleOrganizer Role = "organizer"  // events and all that happens to them
	RoleBoxOffice Role = "box_office" // orders and tickets
	RoleGate      Role = "gate"       // the entrance
	RoleViewer    Role = "viewer"     // looks on; sees no fan's name
)

// Roles are all of them.
var Roles = []Role{RoleOwner, RoleOrganizer, RoleBoxOffice, RoleGate, RoleViewer}

// Action is something that can be done to what an organization has.
type Action string

// The actions. A route is one of them; see the table in package web.
const (
	ViewDesk   Action = "desk.view"    // the list of events
	ViewEvent  Action = "event.view"   // an event's desk, its numbers and rules
	CreateEvt  Action = "event.create" //
	EditEvent  Action = "event.edit"   // what is sold, when and where
	Steer      Action = "event.steer"  // rules, phases, stop, bypass, the draw's value
	ViewOrders Action = "orders.view"  // orders and who placed them
	EditOrders Action = "orders.edit"  // refunds, cancellations, tickets revoked or made anew
	ViewMoney  Action = "money.view"   // exports
	Review     Action = "fraud.review" // what fraud holds back
	ViewGate   Action = "gate.view"    // who has come in
	CheckIn    Action = "gate.check_in"
	ViewAudit  Action = "audit.view"
	ViewOrg    Action = "organization.view"
	EditOrg    Action = "organization.edit" // people, invitations, keys, settings
	Operate    Action = "house.operate"     // the house itself: other organizations, for owners of the house only
	Self       Action = "self"              // one's own account: anybody who is logged in
)

var everybody = Roles

// allowed is who may do what. Self is not here: it needs no role.
var allowed = map[Action][]Role{
	ViewDesk:   everybody,
	ViewEvent:  {RoleOwner, RoleOrganizer, RoleBoxOffice, RoleViewer},
	CreateEvt:  {RoleOwner, RoleOrganizer},
	EditEvent:  {RoleOwner, RoleOrganizer},
	Steer:      {RoleOwner, RoleOrganizer},
	ViewOrders: {RoleOwner, RoleOrganizer, RoleBoxOffice},
	EditOrders: {RoleOwner, RoleOrganizer, RoleBoxOffice},
	ViewMoney:  {RoleOwner, RoleOrganizer},
	Review:     {RoleOwner, RoleOrganizer, RoleBoxOffice},
	ViewGate:   everybody,
	CheckIn:    {RoleOwner, RoleOrganizer, RoleBoxOffice, RoleGate},
	ViewAudit:  {RoleOwner, RoleOrganizer},
	ViewOrg:    everybody,
	EditOrg:    {RoleOwner},
	Operate:    {RoleOwner},
}

// notForKeys are actions that no API key has: a key must not make keys.
var notForKeys = []Action{EditOrg, Operate, Self}

// Actions lists every action that an API key may be given, sorted.
func Actions() []Action {
	var actions []Action
	for action := range allowed {
		if !slices.Contains(notForKeys, action) {
			actions = append(actions, action)
		}
	}
	slices.Sort(actions)
	return actions
}

// Allows tells whether a role may do something to what its organization has.
func (r Role) Allows(action Action) bool { return slices.Contains(allowed[action], r) }

// Membership is a role in one organization.
type Membership struct {
	Organization ropeline.OrganizationID
	Name         string // of the organization
	Role         Role
	TOTPRequired bool
}

// Actor is who asks: an account that is logged in, or an API key.
type Actor struct {
	Account
	Members []Membership
	TOTP    bool     // logged in with a second factor
	Key     bool     // an API key, whose only membership is its organization's
	Scopes  []Action // what the key may do
}

// Authorize decides every request of the desk and the gate: may the actor do
// this to a thing of that organization? Codes: not_found for what belongs to
// an organization that the actor has no part in, forbidden for too small a
// role or scope, totp_required where the organization wants a second factor.
func Authorize(a Actor, action Action, organization ropeline.OrganizationID) error {
	if action == Self {
		if a.Key {
			return ropeline.Errorf(ropeline.CodeForbidden, "A key has no account of its own.")
		}
		return nil
	}
	at := slices.IndexFunc(a.Members, func(m Membership) bool { return m.Organization == organization })
	switch {
	case at < 0:
		return ropeline.Errorf(ropeline.CodeNotFound, "There is nothing at this address.")
	case action == Operate && organization != HouseOrganization:
		return ropeline.Errorf(ropeline.CodeForbidden, "Only owners of the house do that.")
	case a.Key && (!slices.Contains(a.Scopes, action) || slices.Contains(notForKeys, action)):
		return ropeline.Errorf(ropeline.CodeForbidden, "The key has no scope %s.", action)
	case !a.Key && !a.Members[at].Role.Allows(action):
		return ropeline.Errorf(ropeline.CodeForbidden, "As %s you may not do that.", a.Members[at].Role.Words())
	case !a.Key && a.Members[at].TOTPRequired && !a.TOTP:
		return ropeline.Errorf(ropeline.CodeTOTPRequired, "%s wants a second factor: set one up first.", a.Members[at].Name)
	}
	return nil
}

// Words names the role in a sentence.
func (r Role) Words() string {
	if r == RoleBoxOffice {
		return "box office"
	}
	return string(r)
}

// Organizations are those of the actor in which the action is allowed.
func (a Actor) Organizations(action Action) []ropeline.OrganizationID {
	var ids []ropeline.OrganizationID
	for _, m := range a.Members {
		if Authorize(a, action, m.Organization) == nil {
			ids = append(ids, m.Organization)
		}
	}
	return ids
}
