package web

import (
	"net/http"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/queue/draw"
	"github.com/ropeline/ropeline/web/desk"
	"github.com/ropeline/ropeline/web/openapi"
)

// Of these routes the table access says who may ask.
var deskOperations = []section{
	{"Events, for organizers", "What is sold, and when.", []operation{
		{route: "POST /admin/events", says: "Create an event", query: []param{inParam}, body: eventBody{}, needs: "name venue starts_at drop_at closes_at ticket_types", once: true, status: http.StatusCreated, answer: eventView{},
			more: "Rules that are left out have sensible defaults.", codes: codes(ropeline.CodeInvalidRules)},
		{route: "PATCH /admin/events/:event", says: "Change what an event is, when and where", body: catalog.Change{}, answer: changedView{},
			more: "Fields that are left out stay; one that cannot be changed here is refused. Everybody whom it concerns is told.", codes: codes(ropeline.CodeEventConflict, ropeline.CodePhaseConflict)},
		{route: "POST /admin/events/:event/publish", says: "Show a draft to everybody", answer: publishedView{}, page: true},
		{route: "POST /admin/events/:event/duplicate", says: "Make a draft that is like the event, with another drop", body: duplicateBody{}, needs: "drop_at", once: true, status: http.StatusCreated, answer: eventView{}, page: true,
			codes: codes(ropeline.CodeInvalidRules)},
		{route: "POST /admin/events/:event/phase", says: "Open the lobby, drop, close the sale, or move what is still to come", body: phaseBody{}, needs: "step", answer: catalog.Times{}, codes: codes(ropeline.CodePhaseConflict)},
		{route: "GET /admin/events/:event/capacity", says: "Get the stock of each type, and who changed it", answer: capacitiesView{}},
		{route: "PUT /admin/events/:event/types/:type", says: "Change how many tickets of a type there are", body: capacityBody{}, needs: "capacity", answer: capacityView{}, once: true,
			codes: codes(ropeline.CodeUnknownTicketType, ropeline.CodeInvalidQuantity, ropeline.CodeCapacityTooLow, ropeline.CodeSaleClosed)},
		{route: "POST /admin/events/:event/picture", says: "Give the event a picture", takes: "multipart/form-data", answer: ropeline.Picture{}, page: true,
			form: openapi.Properties{
				{Name: "picture", Schema: &openapi.Schema{Type: "string", Format: "binary", Description: "A file: PNG, JPEG or WebP."}},
				{Name: "alt", Schema: &openapi.Schema{Type: "string", Description: "What is to be seen, for those who cannot see it."}},
			},
			more: "The house makes its own picture of the file.", codes: codes(ropeline.CodeInvalidPicture, ropeline.CodeRateLimited)},
		{route: "DELETE /admin/events/:event/picture", says: "Take the picture away"},
		{route: "POST /admin/events/:event/cancel", says: "Cancel the event", body: reasonBody{}, status: http.StatusAccepted, answer: cancelingView{}, once: true, more: "Refunds go out in the background."},
		{route: "GET /admin/events/:event/cancel", says: "Tell how far a cancellation has come", answer: cancellationView{}},
	}},
	{"Mission control", "Steer a drop.", []operation{
		{route: "GET /admin/events/:event/live", says: "Get the counts of this second", answer: desk.Live{}},
		{route: "GET /admin/events/:event/live/sse", says: "Open an event stream of the counts, one a second", media: "text/event-stream", more: "An engine that is away is told by an event named problem."},
		{route: "GET /admin/events/:event/samples", says: "Get the samples that the plots show", query: []param{{"minutes", "How far back; 60 when absent.", int64(0)}}, answer: samplesView{}},
		{route: "GET /admin/events/:event/report", says: "Get what became of the sale", answer: desk.Report{}, page: true},
		{route: "GET /admin/events/:event/rules", says: "Get every version of the rules, the one in force first", answer: rulesHistory{}},
		{route: "PUT /admin/events/:event/rules", says: "Change the rules", body: rulesBody{}, answer: desk.Rules{}, more: "Fields that are left out stay. A version must be the one in force.", codes: codes(ropeline.CodeInvalidRules, ropeline.CodeRulesConflict)},
		{route: "POST /admin/events/preview", says: "Foresee what rules lead to, before there is an event", query: []param{inParam}, body: plannedBody{}, needs: "fans tickets", answer: previewView{}, more: "Nothing is changed.", codes: codes(ropeline.CodeInvalidRules)},
		{route: "POST /admin/events/:event/rules/preview", says: "Foresee what rules lead to", body: previewBody{}, answer: previewView{}, more: "Nothing is changed.", codes: codes(ropeline.CodeInvalidRules)},
		{route: "POST /admin/events/:event/stop", says: "Stop all admissions at once", answer: desk.Rules{}, codes: codes(ropeline.CodeRulesConflict)},
		{route: "POST /admin/events/:event/bypass", says: "Let fans in past the line, by their numbers", body: numbersBody{}, needs: "numbers", status: http.StatusAccepted, answer: numbersBody{}, codes: codes(ropeline.CodeNotInLine)},
		{route: "GET /admin/events/:event/announcements", says: "List what was told to everybody, the newest first", answer: announcementsView{}},
		{route: "PUT /admin/events/:event/announcement", says: "Tell everybody who waits or shops one thing, instead of what was told before", body: announcementBody{}, needs: "text", answer: catalog.Announcement{}, codes: codes(ropeline.CodePhaseConflict, ropeline.CodeSaleClosed)},
		{route: "DELETE /admin/events/:event/announcement", says: "Take back what is told"},
		{route: "PUT /admin/events/:event/entropy", says: "Give the promised value of the draw", body: entropyBody{}, needs: "value", answer: draw.Record{}, codes: codes(ropeline.CodeNotFound, ropeline.CodeNotOpen, ropeline.CodeAlreadySet, ropeline.CodeSaleClosed, ropeline.CodePhaseConflict)},
	}},
	{"Orders", "Find orders, refund and cancel them, and decide what is held back.", []operation{
		{route: "GET /admin/orders", says: "List orders, the newest first", page: true, answer: orderLinesView{},
			query: []param{{"event", "Of this event only.", ""}, {"q", "The id of an order, ticket, fan or payment, a ticket's code, the gateway's reference, or the beginning of an address.", ""}, {"state", "pending, paid, expired, canceled or review.", ""},
				{"from", "From this day or moment on.", ""}, {"to", "Until this day or moment.", ""}, afterParam, inParam}, codes: codes(ropeline.CodeEventNotFound)},
		{route: "GET /admin/orders/:order", says: "Get all that is known of an order", answer: orderFileView{}, page: true},
		{route: "POST /admin/orders/:order/refunds", says: "Give money back", body: refundBody{}, status: http.StatusCreated, answer: refundView{}, once: true,
			more:  "Without amount and tickets everything goes back and every ticket is void; an amount alone revokes none.",
			codes: codes(ropeline.CodeTicketNotFound, ropeline.CodeNotRefundable, ropeline.CodeRefundTooHigh, ropeline.CodeOrderEnded)},
		{route: "POST /admin/orders/:order/cancel", says: "End a pending or paid order", body: cancelBody{}, status: http.StatusAccepted, answer: canceledView{}, once: true, codes: codes(ropeline.CodeOrderEnded, ropeline.CodeReviewDecided, ropeline.CodeNotRefundable)},
		{route: "POST /admin/orders/:order/resend", says: "Send the tickets by mail again", status: http.StatusAccepted, answer: resentOrderView{}, once: true, page: true, codes: codes(ropeline.CodeOrderEnded, ropeline.CodeRateLimited, ropeline.CodeChannelUnavailable)},
		{route: "GET /admin/events/:event/exports/:export", says: "Get a list of the event as CSV", media: "text/csv", path: map[string]string{"export": `^(orders|tickets|payments|checkins)\.csv$`},
			more: "It streams; a whole one ends with the trailer Ropeline-Rows, one that is cut breaks the connection.", codes: codes(ropeline.CodeNotFound, ropeline.CodeRateLimited)},
		{route: "GET /admin/reviews", says: "List the orders that wait for a person, the nearest deadline first", query: []param{{"event", "Of this event; required of programs.", ""}, afterParam}, answer: reviewsView{}, page: true, codes: codes(ropeline.CodeEventNotFound)},
		{route: "POST /admin/reviews/:order", says: "Decide about an order that waits", body: decisionBody{}, needs: "decision", answer: reviewView{}, once: true, page: true, codes: codes(ropeline.CodeReviewDecided)},
		{route: "GET /admin/events/:event/fraud", says: "Get every version of the thresholds of scores, the one in force first", answer: thresholdsHistory{}, codes: codes(ropeline.CodeNotFound)},
		{route: "PUT /admin/events/:event/fraud", says: "Change the thresholds", body: thresholdsBody{}, answer: thresholdsView{}, more: "A version must be the one in force.", codes: codes(ropeline.CodeNotFound, ropeline.CodeInvalidRules, ropeline.CodeRulesConflict)},
	}},
	{"Tickets and the gate", "docs/protocol.md tells what a code is and what a scan may answer.", []operation{
		{route: "POST /admin/events/:event/checkins", says: "Check in a ticket, or a batch of scans", body: scansBody{}, answer: oneOf{checkInView{}, checkInResults{}}, once: true},
		{route: "GET /admin/events/:event/checkins", says: "List the scans, the newest first", query: []param{{"result", "Only those with this result, or conflict.", ""}, {"before", "Where the page before ended: its next.", int64(0)}}, answer: checkInsView{}},
		{route: "GET /admin/events/:event/checkins/counts", says: "Count who is in, by type and by gate", answer: gateCountsView{}},
		{route: "GET /admin/events/:event/revocations", says: "List the void codes", query: []param{{"since", "The cursor of the list before.", int64(0)}}, headers: []param{etagParam}, answer: revocationsView{}, also: map[int]any{http.StatusNotModified: nil}},
		{route: "GET /admin/events/:event/entered", says: "List who is in, the oldest first", query: []param{{"since", "The cursor of the listing before.", int64(0)}, {"after", "The next of the page before.", int64(0)}}, answer: enteredView{}},
		{route: "POST /admin/tickets/:ticket/revoke", says: "Make a ticket's code void", body: reasonBody{}, answer: ticketDutyView{}, once: true, codes: codes(ropeline.CodeTicketEnded)},
		{route: "POST /admin/tickets/:ticket/reissue", says: "Give a ticket a new code", body: reasonBody{}, answer: ticketDutyView{}, once: true, codes: codes(ropeline.CodeTicketEnded)},
		{route: "POST /admin/tickets/:ticket/undo-checkin", says: "Make a ticket that was let in good again", body: reasonBody{}, answer: ticketDutyView{}, once: true, codes: codes(ropeline.CodeTicketEnded)},
	}},
	{"Organizations", "Who may do what.", []operation{
		{route: "POST /admin/login", says: "Log in with a cookie, for the desk", body: loginBody{}, needs: "email password", answer: loggedInView{}, page: true, codes: noLogIn},
		{route: "POST /admin/logout", says: "Log out", page: true},
		{route: "GET /admin/organizations", says: "List the organizations of whoever asks", answer: organizationsView{}},
		{route: "POST /admin/organizations", says: "Create an organization", body: nameBody{}, needs: "name", status: http.StatusCreated, answer: identity.Organization{}, once: true},
		{route: "GET /admin/organizations/:organization", says: "Get an organization and its people", answer: organizationView{}, page: true, more: "Invitations and keys are shown to owners."},
		{route: "PUT /admin/organizations/:organization", says: "Change its name, and whether it wants a second factor of everybody", body: organizationBody{}, answer: identity.Organization{}},
		{route: "PUT /admin/organizations/:organization/members/:account", says: "Give a member a role", body: roleBody{}, needs: "role", codes: codes(ropeline.CodeLastOwner)},
		{route: "DELETE /admin/organizations/:organization/members/:account", says: "Take a member out", codes: codes(ropeline.CodeLastOwner)},
		{route: "POST /admin/organizations/:organization/invitations", says: "Invite somebody", body: inviteBody{}, needs: "email role", status: http.StatusCreated, answer: identity.Invitation{}, codes: codes(ropeline.CodeInvalidEmail, ropeline.CodeRateLimited)},
		{route: "DELETE /admin/organizations/:organization/invitations/:invite", says: "Take an invitation back"},
		{route: "POST /admin/organizations/:organization/keys", says: "Make an API key", body: keyBody{}, needs: "name scopes", status: http.StatusCreated, answer: identity.Key{}, more: "The token is told this once."},
		{route: "DELETE /admin/organizations/:organization/keys/:key", says: "End an API key"},
		{route: "GET /admin/security", says: "Tell of one's own second factor", answer: securityView{}, page: true},
		{route: "POST /admin/security/totp", says: "Make a new second factor", status: http.StatusCreated, answer: totpView{}, codes: codes(ropeline.CodeAlreadySet)},
		{route: "PUT /admin/security/totp", says: "Put the second factor in force with a first code", body: codeBody{}, needs: "code", answer: recoveryCodesView{}, more: "The recovery codes are told this once.", codes: codes(ropeline.CodeAlreadySet, ropeline.CodeTOTPNeeded, ropeline.CodeRateLimited)},
		{route: "DELETE /admin/security/totp", says: "Take the second factor away", body: codeBody{}, needs: "code", codes: codes(ropeline.CodeTOTPNeeded, ropeline.CodeRateLimited)},
		{route: "GET /admin/audit", says: "List the changes, the newest first", answer: auditView{}, page: true,
			query: []param{{"object", "Of this thing, as kind/id.", ""}, {"action", "Of this kind.", ""}, {"actor", "By this one.", ""}, {"from", "From this moment on.", time.Time{}}, {"to", "Until this moment.", time.Time{}}, {"before", "The id of the last entry of the page before.", int64(0)}, inParam}},
	}},
	{"Operation", "For owners of the house.", []operation{
		{route: "GET /admin/notifications", says: "List messages of a state, and count those that are not sent", query: []param{{"state", "dead when absent.", ""}}, answer: notificationsView{}, page: true},
		{route: "POST /admin/notifications", says: "Send a dead message again, or all of them", body: resendBody{}, needs: "resend", answer: queuedView{}, page: true, codes: codes(ropeline.CodeNotificationNotFound, ropeline.CodeNotificationNotDead)},
		{route: "GET /admin/queues", says: "Count the background tasks, and list those of a queue", query: []param{{"queue", "Whose tasks to list.", ""}, {"state", "archived when absent.", ""}, {"page", "From 1.", int64(0)}}, answer: queuesView{}, page: true, codes: codes(ropeline.CodeTaskNotFound)},
		{route: "POST /admin/queues/:queue", says: "Run, archive or delete a task", body: taskBody{}, needs: "task action", page: true, codes: codes(ropeline.CodeTaskNotFound, ropeline.CodeTaskState)},
		{route: "GET /admin/reconciliations", says: "List the comparisons with the gateway's books, the newest first", query: []param{{"before", "The id of the last one of the page before.", int64(0)}}, answer: reconciliationsView{}, page: true},
		{route: "GET /admin/reconciliations/:run", says: "Get a comparison with what differed", answer: checkout.Reconciliation{}, page: true},
	}},
}
