package web

import (
	"reflect"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/queue/draw"
	"github.com/ropeline/ropeline/web/desk"
	"github.com/ropeline/ropeline/web/openapi"
)

const aboutAPI = `Fans wait in a line, are admitted, reserve and pay; organizers create events and steer their drops; gates check tickets.

Errors are RFC 9457 problems with a stable code; every 429 and 503 tells in retry_after, and in the header Retry-After, when to come back. Ids are 26 characters of 0-9a-v, reservations two of them with a dash between. Times are RFC 3339. Money is in minor units. New fields may come: ignore what you do not know. A POST that takes an Idempotency-Key has one effect, however often it is sent with it.`

const idForm = "^[0-9a-v]{26}$"

var securitySchemes = map[string]openapi.Security{
	"fan":           {Type: "http", Scheme: "bearer", Description: "The fan_token of the first join."},
	"fanCookie":     {Type: "apiKey", In: "cookie", Name: hostPrefix + cookieFan, Description: "The same, as a browser keeps it. Without the prefix on a machine's own http address."},
	"session":       {Type: "http", Scheme: "bearer", Description: "The token of POST /sessions."},
	"sessionCookie": {Type: "apiKey", In: "cookie", Name: hostPrefix + cookieSession, Description: "The same, as a browser keeps it. Without the prefix on a machine's own http address."},
	"apiKey":        {Type: "http", Scheme: "bearer", Description: "A key of an organization, with the scope that is named."},
	"gateway":       {Type: "apiKey", In: "header", Name: "Stripe-Signature", Description: "A signature over the body. The sandbox's is in Ropeline-Sandbox-Signature."},
}

// missingCodes are what a parameter of the path leads to when there is no such thing.
var missingCodes = map[string]ropeline.Code{
	"event": ropeline.CodeEventNotFound, "order": ropeline.CodeOrderNotFound, "ticket": ropeline.CodeTicketNotFound,
	"reservation": ropeline.CodeReservationNotFound,
}

var pathWords = map[string]string{
	"event": "Id of the event.", "order": "Id of the order.", "ticket": "Id of the ticket.", "reservation": "Id of the reservation.",
	"type": "Id of the ticket type.", "organization": "Id of the organization.", "account": "Id of the member's account.",
	"invite": "Id of the invitation.", "key": "Id of the key.", "token": "The token of the link.", "ref": "The gateway's name of the payment.",
	"queue": "Name of the queue.", "run": "Id of the reconciliation.", "export": "What is listed.", "hash": "Of the picture.", "file": "The width, with .jpg.",
}

var pathForms = map[string]string{
	"event": idForm, "order": idForm, "ticket": idForm, "type": idForm, "organization": idForm, "account": idForm, "key": idForm,
	"reservation": "^[0-9a-v]{26}-[0-9a-v]{26}$", "run": "^[0-9]+$",
}

func newTypes() *openapi.Types {
	return &openapi.Types{Names: typeNames, Values: typeValues, Patterns: typePatterns, Words: fieldWords, Samples: fieldSamples}
}

// typeNames are for types whose own name says too little outside their room.
var typeNames = map[reflect.Type]string{
	reflect.TypeFor[identity.Entry]():       "AuditEntry",
	reflect.TypeFor[identity.Key]():         "APIKey",
	reflect.TypeFor[organizationView]():     "OrganizationDetail",
	reflect.TypeFor[draw.Record]():          "Draw",
	reflect.TypeFor[admission.Step]():       "RateStep",
	reflect.TypeFor[catalog.Times]():        "Schedule",
	reflect.TypeFor[notify.Row]():           "Notification",
	reflect.TypeFor[checkout.News]():        "DomainEvent",
	reflect.TypeFor[challenge]():            "Work",
	reflect.TypeFor[numbersBody]():          "Numbers",
	reflect.TypeFor[entered]():              "Shopper",
	reflect.TypeFor[catalog.Announcement](): "AnnouncementMade",
	reflect.TypeFor[desk.Line]():            "LineCounts",
	reflect.TypeFor[desk.Sum]():             "Takings",
	reflect.TypeFor[desk.Level]():           "StockLevel",
	reflect.TypeFor[itemView]():             "PricedItem",
}

func values[T ~string](list ...T) []any {
	all := make([]any, len(list))
	for i, v := range list {
		all[i] = string(v)
	}
	return all
}

// typeValues are the closed sets. Those of Stripe are not closed.
var typeValues = map[reflect.Type][]any{
	reflect.TypeFor[ropeline.Phase]():            values(ropeline.PhaseAnnounced, ropeline.PhaseLobby, ropeline.PhaseDrop, ropeline.PhaseOnSale, ropeline.PhaseSoldOut, ropeline.PhaseClosed),
	reflect.TypeFor[ropeline.Standing]():         values(ropeline.StandingLobby, ropeline.StandingWaiting, ropeline.StandingAdmitted, ropeline.StandingShopping, ropeline.StandingGone),
	reflect.TypeFor[ropeline.OnePer]():           values(ropeline.OnePerFan, ropeline.OnePerAccount),
	reflect.TypeFor[ropeline.Across]():           values(ropeline.AcrossNone, ropeline.AcrossAddress, ropeline.AcrossCard, ropeline.AcrossBoth),
	reflect.TypeFor[identity.Role]():             values(identity.Roles...),
	reflect.TypeFor[identity.Action]():           values(identity.Actions()...),
	reflect.TypeFor[catalog.Step]():              values(catalog.StepLobby, catalog.StepDrop, catalog.StepClose, catalog.StepMove),
	reflect.TypeFor[checkout.OrderState]():       values(checkout.OrderPaid, checkout.OrderPending, checkout.OrderExpired, checkout.OrderCanceled),
	reflect.TypeFor[checkout.ReservationState](): values(checkout.ReservationHeld, checkout.ReservationQueued, checkout.ReservationConverted, checkout.ReservationExpired, checkout.ReservationReleased, checkout.ReservationRejected),
	reflect.TypeFor[checkout.PaymentState]():     values(checkout.PaymentConfirmed, checkout.PaymentCreated, checkout.PaymentPending, checkout.PaymentAuthorized, checkout.PaymentFailed, checkout.PaymentCanceled),
	reflect.TypeFor[checkout.RefundState]():      values(checkout.RefundCreated, checkout.RefundTransit, checkout.RefundDone, checkout.RefundFailed),
	reflect.TypeFor[checkout.TicketState]():      values(checkout.TicketIssued, checkout.TicketCheckedIn, checkout.TicketTransferred, checkout.TicketRevoked),
	reflect.TypeFor[checkout.RiskDecision]():     values(checkout.RiskAllow, checkout.RiskUndecided, checkout.RiskReview, checkout.RiskReject),
	reflect.TypeFor[checkout.ScanResult]():       values(checkout.ScanAccepted, checkout.ScanAlready, checkout.ScanRevoked, checkout.ScanWrongEvent, checkout.ScanUnknown, checkout.ScanBadSignature, checkout.ScanUndone),
	reflect.TypeFor[checkout.Cause]():            values(checkout.CauseTransfer, checkout.CauseOrganizer, checkout.CauseRefund, checkout.CauseCanceled, checkout.CauseReissue),
	reflect.TypeFor[checkout.Duty]():             values(checkout.DutyNone, checkout.DutyCreate, checkout.DutyWatch, checkout.DutySettle, checkout.DutyReview, checkout.DutyCapture, checkout.DutyVoid, checkout.DutyUnwind),
	reflect.TypeFor[checkout.Scope]():            values(checkout.ScopeOpen, checkout.ScopeAll),
	reflect.TypeFor[notify.State]():              values(notify.StateDead, notify.StateFailed, notify.StateQueued, notify.StateSending, notify.StateSent, notify.StateMoot),
	reflect.TypeFor[notify.Channel]():            values(notify.Email, notify.SMS),
	reflect.TypeFor[notify.Kind]():               values(notify.Kinds()...),
}

// typePatterns are the forms of ids.
var typePatterns = map[reflect.Type]string{
	reflect.TypeFor[ropeline.EventID]():        idForm,
	reflect.TypeFor[ropeline.VenueID]():        idForm,
	reflect.TypeFor[ropeline.TicketTypeID]():   idForm,
	reflect.TypeFor[ropeline.FanID]():          idForm,
	reflect.TypeFor[ropeline.AccountID]():      idForm,
	reflect.TypeFor[ropeline.OrganizationID](): idForm,
	reflect.TypeFor[ropeline.OrderID]():        idForm,
	reflect.TypeFor[ropeline.PaymentID]():      idForm,
	reflect.TypeFor[ropeline.RefundID]():       idForm,
	reflect.TypeFor[ropeline.DisputeID]():      idForm,
	reflect.TypeFor[ropeline.TicketID]():       idForm,
	reflect.TypeFor[ropeline.ReservationID]():  pathForms["reservation"],
}

// fieldSamples are the values of the examples, by field or by form.
var fieldSamples = map[string]any{
	idForm:                   "0dq3k5m2p8r7t1v9b4c6f0h0a1",
	pathForms["reservation"]: "0dq3k5m2p8r7t1v9b4c6f0h0a1-0dq3k5m2p8r7t1v9b4c6f0h0r1",

	"name": "The Lanterns: Last Train Home", "Venue.name": "Lantern Hall", "city": "Vienna", "address": "Hauptplatz 1", "time_zone": "Europe/Vienna",
	"TicketType.name": "Standing", "Ticket.name": "Standing", "currency": "EUR", "minor": 4500, "email": "ada@example.org", "capacity": 5000,
	"quantity": 2, "max_per_order": 4, "max_per_fan": 4, "rate_per_minute": 300, "burst": 20, "max_shoppers": 200, "batch": 50, "show_up_seconds": 120, "shop_seconds": 480,
	"number": 1312, "position": 311, "waiting": 40000, "next_ms": 2000, "gate": "North", "password": "correct horse battery",
	"role": "box_office", "Problem.type": "about:blank", "decision": "approve", "phone": "+436601234567", "action": "run",
}
