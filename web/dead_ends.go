package web

import (
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/pages"
)

// deadEnd finds for a fan's page, where the API would answer with the problem,
// what a person can make of it and where to go on.
func deadEnd(c *gin.Context, p problem) (detail string, next pages.Link) {
	detail = p.Detail
	event, noEvent := ropeline.ParseID[ropeline.EventID](c.Param("event"))
	order, noOrder := ropeline.ParseID[ropeline.OrderID](c.Param("order"))
	login := pages.Link{Text: "Log in", Href: "/login"}
	if c.Request.Method == http.MethodGet {
		login.Href += "?next=" + url.QueryEscape(c.Request.URL.Path)
	}
	switch p.Code {
	case ropeline.CodeUnauthenticated:
		if noEvent == nil {
			return "This browser has no place in the line. Join it, or open the page on the device where you stand.", pages.Link{Text: "To the event", Href: "/events/" + string(event)}
		}
		return "Orders and tickets show in the browser in which they were bought, and everywhere after you log in with the address that their mail came to.", login
	case ropeline.CodeOrderNotFound, ropeline.CodeTicketNotFound:
		return "Not for this browser, at least: orders and tickets show in the one in which they were bought, and everywhere after you log in with the address that their mail came to.", login
	case ropeline.CodeAccountRequired:
		return detail, login
	case ropeline.CodeTicketEnded:
		return detail, pages.Link{Text: "My tickets", Href: "/users/me/tickets"}
	case ropeline.CodePassExpired, ropeline.CodePassUsed, ropeline.CodePassInvalid, ropeline.CodeNoPass, ropeline.CodeNotInLine, ropeline.CodePlaceInvalid:
		if noEvent == nil {
			return detail, pages.Link{Text: "Back to the line", Href: "/events/" + string(event) + "/line"}
		}
	case ropeline.CodeEventNotFound:
		return detail, next
	}
	switch {
	case noEvent == nil:
		next = pages.Link{Text: "Back to the event", Href: "/events/" + string(event)}
	case noOrder == nil:
		next = pages.Link{Text: "Back to the order", Href: "/orders/" + string(order)}
	}
	return detail, next
}
