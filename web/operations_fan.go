package web

import (
	"net/http"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/queue/draw"
)

// forBrowsers are the pages and forms of people, and what they load.
var forBrowsers = []string{
	"GET /", "GET /events/:event/line", "POST /events/:event/line", "POST /events/:event/leave", "GET /events/:event/shop",
	"GET /recover/:token", "POST /recover/:token", "GET /orders/:order/pay", "GET /sandbox/pay/:ref",
	"GET /account", "POST /logout", "GET /login", "POST /login", "GET /register", "POST /register", "GET /forgot", "POST /forgot",
	"GET /tickets/:ticket/transfer", "GET /password/:token", "POST /password/:token", "GET /docs/api",
	"GET /admin", "GET /admin/login", "GET /admin/events/:event", "POST /admin/events/:event", "POST /admin/events/:event/fraud",
	"GET /gate", "GET /gate/:event", "GET /gate/sw.js", "GET /static/*file", "HEAD /static/*file",
}

var fanOperations = []section{
	{"Events", "What is sold, and when.", []operation{
		{route: "GET /events", says: "List the events, the latest drop first", query: []param{{"when", "on_sale, upcoming, sold_out or past.", ""}, {"place", "A word of the venue or its city.", ""}, {"q", "Words of the name, the description or the venue.", ""},
			{"from", "Events that start on this day or at this moment, or later.", ""}, {"to", "Events that start on this day or at this moment, or earlier.", ""}, afterParam}, answer: eventsView{}, page: true},
		{route: "GET /events/:event", says: "Get an event with what is left of each ticket type", headers: []param{etagParam}, answer: eventView{}, page: true, also: map[int]any{http.StatusNotModified: nil}},
		{route: "GET /events/:event/calendar.ics", says: "Get the event for a calendar", media: "text/calendar"},
		{route: "GET /pictures/:hash/:file", says: "Get an event's picture in one width", media: "image/jpeg", path: map[string]string{"file": `^[1-9][0-9]{0,4}\.jpg$`}, headers: []param{etagParam}, also: map[int]any{http.StatusNotModified: nil}, codes: codes(ropeline.CodeNotFound)},
		{route: "GET /events/:event/gate/keys", says: "Get the public keys that tickets verify with", answer: keysView{}},
	}},
	{"Line", "Join, wait and enter. docs/protocol.md tells the meaning of a status, and how sockets and streams end.", []operation{
		{route: "POST /events/:event/queue", says: "Join the line, or its lobby", status: http.StatusCreated, answer: ropeline.Status{}, who: orNewFan,
			headers: []param{placeParam, workParam}, more: "Joining twice gives the same number. The first join brings fan_token, once.",
			codes: codes(ropeline.CodePlaceInvalid, ropeline.CodeInvalidID, ropeline.CodeWorkNeeded, ropeline.CodeNotOpen, ropeline.CodeSoldOut, ropeline.CodeSaleClosed, ropeline.CodeRateLimited)},
		{route: "GET /events/:event/queue", says: "Tell where the fan stands", answer: ropeline.Status{}, who: byFan, headers: []param{placeParam}, query: []param{offsetParam},
			more:  "Do not ask again before next_ms milliseconds have passed.",
			codes: codes(ropeline.CodeNotInLine, ropeline.CodePlaceInvalid, ropeline.CodeRateLimited)},
		{route: "GET /events/:event/queue/ws", says: "Open a WebSocket of statuses", status: http.StatusSwitchingProtocols, who: byFan, headers: []param{placeParam}, query: []param{offsetParam},
			codes: codes(ropeline.CodeNotInLine, ropeline.CodePlaceInvalid, ropeline.CodeCrossOrigin, ropeline.CodeRateLimited)},
		{route: "GET /events/:event/queue/sse", says: "Open an event stream of statuses", media: "text/event-stream", who: byFan, headers: []param{placeParam, {"Last-Event-ID", "The offset of the last status.", ""}}, query: []param{offsetParam},
			codes: codes(ropeline.CodeNotInLine, ropeline.CodePlaceInvalid, ropeline.CodeRateLimited)},
		{route: "DELETE /events/:event/queue", says: "Give up the place", who: byFan},
		{route: "POST /events/:event/queue/link", says: "Make a link that shows the place on another device", status: http.StatusCreated, answer: recoveryLink{}, who: byFan, headers: []param{placeParam}, page: true,
			codes: codes(ropeline.CodeNotInLine, ropeline.CodePlaceInvalid, ropeline.CodeRateLimited)},
		{route: "GET /events/:event/work", says: "Get the work that joining costs", answer: challenge{}, more: "maxnumber is 0 where joining costs nothing."},
		{route: "POST /events/:event/enter", says: "Redeem the pass", who: byFan, body: enterBody{}, needs: "pass", answer: entered{}, page: true,
			codes: codes(ropeline.CodePassInvalid, ropeline.CodePassExpired, ropeline.CodePassUsed)},
		{route: "POST /events/:event/notify", says: "Be told when the turn is near", who: byFan, headers: []param{placeParam}, body: alertBody{}, answer: alertView{}, page: true,
			more:  "Give an e-mail address or a telephone number. A second call replaces it, until the message is on its way.",
			codes: codes(ropeline.CodeNotInLine, ropeline.CodePlaceInvalid, ropeline.CodeInvalidEmail, ropeline.CodeInvalidPhone, ropeline.CodeChannelUnavailable, ropeline.CodeAlreadyTold, ropeline.CodeRateLimited)},
		{route: "DELETE /events/:event/notify", says: "Do not be told", who: byFan},
	}},
	{"Fairness", "What anybody can check: the draw and the pace. docs/fairness.md tells how.", []operation{
		{route: "GET /events/:event/fairness", says: "Get the public record of the draw", answer: draw.Record{}, page: true, codes: codes(ropeline.CodeNotFound)},
		{route: "GET /events/:event/fairness/file", says: "Get the record and all entrants, a line each", media: "text/plain", codes: codes(ropeline.CodeNotFound, ropeline.CodeNotOpen)},
		{route: "GET /events/:event/receipt", says: "Prove that the fan is among the entrants", who: byFan, answer: queue.Receipt{}, codes: codes(ropeline.CodeNotFound, ropeline.CodeNotOpen, ropeline.CodeNotInLine)},
		{route: "GET /events/:event/pace", says: "Get a page of the log of the pace", media: "application/x-ndjson",
			query: []param{{"after", "The number of the last entry that is known.", int64(0)}, {"limit", "How many entries at the most.", int64(0)}}, more: "The Link header leads to the next page."},
	}},
	{"Shop", "Reserve, order and pay.", []operation{
		{route: "POST /events/:event/reserve-tickets", says: "Reserve tickets", who: byFan, headers: []param{shopperParam, waitParam}, body: itemsBody{}, needs: "items items.ticket_type items.quantity",
			status: http.StatusCreated, answer: reservationView{}, also: map[int]any{http.StatusAccepted: reservationView{}}, once: true,
			more:  "202 while the clerk has not decided, 201 when the tickets are held, a problem when they are not.",
			codes: merge(notHeld, codes(ropeline.CodeNoPass, ropeline.CodePassInvalid, ropeline.CodePassExpired, ropeline.CodeReservationEnded, ropeline.CodeRateLimited))},
		{route: "GET /reservations/:reservation", says: "Get a reservation", who: byFan, answer: reservationView{}},
		{route: "PUT /reservations/:reservation", says: "Give a held reservation other items, all or nothing", who: byFan, body: itemsBody{}, needs: "items items.ticket_type items.quantity", answer: reservationView{}, once: true,
			codes: merge(notHeld, codes(ropeline.CodeReservationEnded, ropeline.CodeReservationExpired, ropeline.CodeOrderExists))},
		{route: "DELETE /reservations/:reservation", says: "Give the held tickets back; 202 when that is still to be done", who: byFan, also: map[int]any{202: reservationView{}}, codes: codes(ropeline.CodeReservationEnded, ropeline.CodeOrderExists)},
		{route: "POST /orders", says: "Order what is reserved", who: byFan, body: orderBody{}, needs: "reservation email", status: http.StatusCreated, answer: orderView{}, once: true,
			codes: codes(ropeline.CodeReservationNotFound, ropeline.CodeInvalidEmail, ropeline.CodeReservationExpired, ropeline.CodeReservationEnded, ropeline.CodeOrderExists, ropeline.CodeSaleClosed, ropeline.CodeLimitExceeded, ropeline.CodePaymentFailed)},
		{route: "GET /orders/:order", says: "Get an order with its payment and tickets", who: byFan, answer: orderView{}, page: true},
		{route: "POST /orders/:order/resend", says: "Send the tickets by mail again", who: byFan, status: http.StatusAccepted, answer: alertView{}, page: true, codes: codes(ropeline.CodeOrderEnded, ropeline.CodeRateLimited, ropeline.CodeChannelUnavailable, ropeline.CodeTicketNotFound)},
		{route: "POST /sandbox/intents/:ref/confirm", says: "Pay a sandbox payment", body: confirmBody{}, needs: "client_secret", answer: intentView{},
			more: "Where the sandbox is the gateway, this is its card form.", codes: codes(ropeline.CodeForbidden, ropeline.CodeNotFound, ropeline.CodeOrderEnded)},
	}},
	{"Tickets", "What a fan has bought.", []operation{
		{route: "GET /users/me/tickets", says: "List the fan's tickets", who: byFan, answer: ticketsView{}, page: true},
		{route: "GET /tickets/:ticket", says: "Get a ticket as PDF", who: byFan, media: "application/pdf", path: map[string]string{"ticket": `^[0-9a-v]{26}\.pdf$`}, more: "The address ends with .pdf.", codes: codes(ropeline.CodeTicketEnded)},
		{route: "GET /tickets/:ticket/qr.png", says: "Get a ticket's code as QR code", who: byFan, media: "image/png"},
		{route: "POST /tickets/:ticket/transfer", says: "Give a ticket to somebody else", who: byFan, body: transferBody{}, needs: "email", status: http.StatusCreated, answer: transferView{}, once: true, page: true,
			more:  "Its code is void from then on. Whoever reads the address gets a new one by mail, and in the account of that address.",
			codes: codes(ropeline.CodeInvalidEmail, ropeline.CodeTicketEnded, ropeline.CodeRateLimited)},
		{route: "GET /orders/:order/tickets.pdf", says: "Get the tickets of an order as PDF", who: byFan, media: "application/pdf", codes: codes(ropeline.CodeTicketEnded)},
	}},
	{"Accounts", "An account is optional until an event asks for one. The answers do not tell which addresses have one.", []operation{
		{route: "POST /accounts", says: "Ask for the link that makes an account", body: emailBody{}, needs: "email", status: http.StatusAccepted, answer: sentView{}, codes: codes(ropeline.CodeForbidden, ropeline.CodeInvalidEmail, ropeline.CodeRateLimited)},
		{route: "POST /accounts/reset", says: "Ask for the link that sets a new password", body: emailBody{}, needs: "email", status: http.StatusAccepted, answer: sentView{}, codes: codes(ropeline.CodeForbidden, ropeline.CodeInvalidEmail, ropeline.CodeRateLimited)},
		{route: "POST /accounts/password", says: "Set the password that a link allows, and log in", body: newPasswordBody{}, needs: "token password", status: http.StatusCreated, answer: sessionView{}, codes: merge(noLogIn, codes(ropeline.CodeLinkInvalid, ropeline.CodeInvalidPassword))},
		{route: "POST /sessions", says: "Log in", body: loginBody{}, needs: "email password", status: http.StatusCreated, answer: sessionView{}, codes: noLogIn},
		{route: "GET /sessions", says: "List where the account is logged in", who: byAccount, answer: devicesView{}},
		{route: "DELETE /sessions", says: "Log out everywhere", who: byAccount},
		{route: "DELETE /sessions/current", says: "Log out", more: "Without a session it does nothing."},
		{route: "GET /invitations/:token", says: "Look at an invitation into an organization", answer: invitedView{}, page: true, codes: codes(ropeline.CodeLinkInvalid)},
		{route: "POST /invitations/:token", says: "Accept an invitation", body: passwordBody{}, status: http.StatusCreated, answer: acceptedView{}, page: true,
			more:  "By the session of the account that is invited, or with a password for a new one.",
			codes: merge(noLogIn, codes(ropeline.CodeLinkInvalid, ropeline.CodeInvalidPassword))},
	}},
	{"House", "For gateways and for who runs the house.", []operation{
		{route: "POST /payments/webhook", says: "Tell what happened to a payment", who: byGateway, takes: "application/json", codes: codes(ropeline.CodeBadSignature)},
		{route: "GET /healthz", says: "Tell that the process answers", media: "text/plain"},
		{route: "GET /readyz", says: "Tell that both engines answer", media: "text/plain"},
		{route: "GET /metrics", says: "Get the metrics of this process for Prometheus", media: "text/plain"},
		{route: "GET /openapi.json", says: "Get this document", media: "application/json"},
	}},
}

var (
	// notHeld is why the clerk gives no tickets.
	notHeld = codes(ropeline.CodeInvalidQuantity, ropeline.CodeUnknownTicketType, ropeline.CodeNotOpen, ropeline.CodeSoldOut, ropeline.CodeSaleClosed, ropeline.CodeLimitExceeded)
	// noLogIn is why nobody is logged in.
	noLogIn = codes(ropeline.CodeUnauthenticated, ropeline.CodeTOTPNeeded, ropeline.CodeForbidden, ropeline.CodeRateLimited)
)
