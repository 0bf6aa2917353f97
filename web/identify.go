package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

// The cookies and headers that carry what a fan holds. API clients use the
// headers; a browser has the cookies, which scripts cannot read. How a cookie is
// called in the end is told by cookieName.
const (
	cookieFan     = "ropeline_fan"
	cookiePlace   = "ropeline_place_"   // + event
	cookieShopper = "ropeline_shopper_" // + event
	cookieSession = "ropeline_session"

	hostPrefix = "__Host-"

	headerPlace   = "Ropeline-Place"
	headerShopper = "Ropeline-Shopper"

	fanLife   = 400 * 24 * time.Hour // the longest that browsers keep (RFC 6265bis)
	placeLife = 7 * 24 * time.Hour
)

// fan finds the anonymous fan who asks; code unauthenticated for nobody.
func (s *Server) fan(c *gin.Context) (ropeline.FanID, error) {
	if token, ok := bearer(c.Request); ok {
		return s.fans.Parse(token)
	}
	cookie, err := c.Request.Cookie(s.cookieName(cookieFan))
	if err != nil {
		return "", errNobody
	}
	return s.fans.Parse(cookie.Value)
}

// errNobody is made once: everybody who joins for the first time is nobody.
var errNobody = ropeline.Errorf(ropeline.CodeUnauthenticated, "Join a line first: the answer brings your identity.")

// fanIn finds the fan that the caller is to an event, to show where that fan
// stands. Where one number is for an account it is the account's fan, and
// whether its session was ended is not asked: this is every poll's way.
func (s *Server) fanIn(c *gin.Context, event ropeline.Event) (ropeline.FanID, error) {
	token, found := s.sessionToken(c)
	_, header := bearer(c.Request)
	if event.OnePer != ropeline.OnePerAccount && !(found && header) {
		return s.fan(c)
	}
	if found {
		if account, err := s.accounts.Claim(token); err == nil {
			return s.fans.OfAccount(account, event.ID), nil
		}
	}
	return "", accountRequired()
}

// actingFan is fanIn for what changes something, or gives something out: the
// session must not have been ended.
func (s *Server) actingFan(c *gin.Context, event ropeline.Event) (ropeline.FanID, error) {
	_, found := s.sessionToken(c)
	_, header := bearer(c.Request)
	if event.OnePer != ropeline.OnePerAccount && !(found && header) {
		return s.fan(c)
	}
	account, err := s.anyAccount(c)
	if err != nil {
		return "", err
	}
	if account == "" {
		return "", accountRequired()
	}
	return s.fans.OfAccount(account, event.ID), nil
}

// anyAccount is the account of a caller who is logged in, and "" for others.
func (s *Server) anyAccount(c *gin.Context) (ropeline.AccountID, error) {
	account, err := s.signedIn(c)
	if err != nil && ropeline.CodeOf(err) != ropeline.CodeUnauthenticated {
		return "", err
	}
	return account.ID, nil
}

// holder finds the fan who holds an order or a ticket: of the caller's
// account, when find says that it is the account's, or else the anonymous fan
// who asks.
func (s *Server) holder(c *gin.Context, find func(ropeline.AccountID) (ropeline.FanID, bool, error)) (ropeline.FanID, error) {
	account, err := s.anyAccount(c)
	if err != nil {
		return "", err
	}
	if account != "" {
		if fan, found, err := find(account); err != nil || found {
			return fan, err
		}
	}
	fan, err := s.fan(c)
	if account != "" && err != nil {
		return "", nil // logged in, and it is not theirs: found by nobody
	}
	return fan, err
}

func accountRequired() error {
	return ropeline.Errorf(ropeline.CodeAccountRequired, "One number is for one account here: log in, and come back.")
}

// orderHolder and ticketHolder are holder for an order and a ticket.
func (s *Server) orderHolder(c *gin.Context, id ropeline.OrderID) (ropeline.FanID, error) {
	return s.holder(c, func(account ropeline.AccountID) (ropeline.FanID, bool, error) {
		return s.checkout.OrderFan(c.Request.Context(), id, account)
	})
}

func (s *Server) ticketHolder(c *gin.Context, id ropeline.TicketID) (ropeline.FanID, error) {
	return s.holder(c, func(account ropeline.AccountID) (ropeline.FanID, bool, error) {
		return s.checkout.TicketFan(c.Request.Context(), id, account)
	})
}

// fanOrMint is actingFan, but gives an identity to somebody who shows none, or
// in a cookie one that is not ours, where no account is needed. The token is ""
// when the fan had one already.
func (s *Server) fanOrMint(c *gin.Context, event ropeline.Event) (fan ropeline.FanID, token string, err error) {
	fan, err = s.actingFan(c, event)
	if err == nil || ropeline.CodeOf(err) != ropeline.CodeUnauthenticated {
		return fan, "", err
	}
	if _, explicit := bearer(c.Request); explicit {
		return "", "", err
	}
	fan, token = s.fans.Mint()
	s.setCookie(c, cookieFan, token, fanLife)
	return fan, token, nil
}

// place finds the place that the fan shows for an event: nil when none is
// shown, place_invalid when a header shows a false one. A cookie that is not
// valid any more counts as none.
func (s *Server) place(c *gin.Context, event ropeline.EventID, fan ropeline.FanID) (*queue.Place, error) {
	token, explicit := c.GetHeader(headerPlace), true
	if token == "" {
		if c.Request.Header["Cookie"] == nil {
			return nil, nil
		}
		cookie, err := c.Request.Cookie(s.cookieName(cookiePlace + string(event)))
		if err != nil {
			return nil, nil
		}
		token, explicit = cookie.Value, false
	}
	place, err := s.line.ParseToken(token)
	if err == nil && (place.Event != event || place.Fan != fan) {
		err = ropeline.Errorf(ropeline.CodePlaceInvalid, "The place belongs to another fan or event.")
	}
	if err != nil {
		if explicit {
			return nil, err
		}
		return nil, nil
	}
	return &place, nil
}

// keepPlace hands the place to the fan's browser.
func (s *Server) keepPlace(c *gin.Context, place queue.Place, token string) {
	var room [mostCookie]byte
	cookie := append(append(append(room[:0], s.cookiePrefix...), cookiePlace...), place.Event...)
	cookie = append(append(cookie, '='), token...)
	s.addCookie(c, cookie, placeLife)
}

// shopperToken is the token that the fan got on entering, or "".
func (s *Server) shopperToken(c *gin.Context, event ropeline.EventID) string {
	if token := c.GetHeader(headerShopper); token != "" {
		return token
	}
	if cookie, err := c.Request.Cookie(s.cookieName(cookieShopper + string(event))); err == nil {
		return cookie.Value
	}
	return ""
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// cookieName is how a cookie of ours is called: with the __Host- prefix
// (RFC 6265bis) wherever cookies are Secure, so that no other host of the domain
// and nobody on the way can plant one. Browsers want the path / for it.
func (s *Server) cookieName(name string) string { return s.cookiePrefix + name }

// setCookie keeps a value that needs no quoting, which all our tokens are. It
// writes the header itself: http.SetCookie took a quarter of a join's time.
func (s *Server) setCookie(c *gin.Context, name, value string, life time.Duration) {
	var room [mostCookie]byte
	cookie := append(append(append(append(room[:0], s.cookiePrefix...), name...), '='), value...)
	s.addCookie(c, cookie, life)
}

const mostCookie = 512 // bytes of a cookie of ours; a longer one is only slower

func (s *Server) addCookie(c *gin.Context, cookie []byte, life time.Duration) {
	cookie = strconv.AppendInt(append(cookie, "; Path=/; Max-Age="...), int64(life/time.Second), 10)
	cookie = append(cookie, s.cookieEnd...)
	h := c.Writer.Header()
	all := h["Set-Cookie"]
	if all == nil {
		all = make([]string, 0, 2) // a join has two
	}
	h["Set-Cookie"] = append(all, string(cookie))
}

func (s *Server) dropCookie(c *gin.Context, name string) { s.setCookie(c, name, "", 0) }

// wantsPage tells a browser that navigates from a client of the API.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	html := strings.Index(accept, "text/html")
	if html < 0 {
		return false
	}
	js := strings.Index(accept, "application/json")
	return js < 0 || html < js
}

// isForm tells a form that a browser sends from a client of the API, of which
// some (curl -d) call everything a form.
func isForm(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	return r.Method == http.MethodPost && wantsPage(r) &&
		(strings.HasPrefix(kind, "application/x-www-form-urlencoded") || strings.HasPrefix(kind, "multipart/form-data"))
}

// originOf is scheme://host[:port] of a URL.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
