package web

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ulule/limiter/v3"
	redisstore "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// attempts counts what guesses or annoys: log-ins, and links and tickets sent by
// mail.
// When a count cannot be kept, the request is refused: this door fails closed.
type attempts struct {
	fromAddress, toEmail *limiter.Limiter // log-ins
	linksFrom, linksTo   *limiter.Limiter
	codesTo              *limiter.Limiter // of a second factor: there are a million of them
	giftsFrom, giftsTo   *limiter.Limiter // tickets that are given away
}

func newAttempts(r *redisdb.Clients) (a attempts, err error) {
	for _, l := range []struct {
		into   **limiter.Limiter
		prefix string
		rate   limiter.Rate
	}{
		{&a.fromAddress, "login", limiter.Rate{Period: time.Minute, Limit: 10}},
		{&a.toEmail, "login-email", limiter.Rate{Period: 15 * time.Minute, Limit: 30}}, // high: it also keeps the owner out
		{&a.codesTo, "login-code", limiter.Rate{Period: 15 * time.Minute, Limit: 10}},
		{&a.linksFrom, "link", limiter.Rate{Period: time.Hour, Limit: 20}},
		{&a.linksTo, "link-email", limiter.Rate{Period: time.Hour, Limit: 4}},
		{&a.giftsFrom, "gift", limiter.Rate{Period: time.Hour, Limit: 60}},
		{&a.giftsTo, "gift-email", limiter.Rate{Period: time.Hour, Limit: 30}},
	} {
		store, err := redisstore.NewStoreWithOptions(r.Write, limiter.StoreOptions{Prefix: "ropeline:" + l.prefix})
		if err != nil {
			return a, err
		}
		*l.into = limiter.New(store, l.rate)
	}
	return a, nil
}

// mayTry counts one attempt from the caller's address against an e-mail
// address, which may be anything; code rate_limited.
func (s *Server) mayTry(c *gin.Context, from, to *limiter.Limiter, email string) error {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(email))))
	for _, count := range []struct {
		limit *limiter.Limiter
		key   string
	}{{from, addressKey(s.address(c))}, {to, hex.EncodeToString(sum[:16])}} {
		tries, err := count.limit.Get(c.Request.Context(), count.key)
		if err != nil {
			return ropeline.Unavailable(err)
		}
		if tries.Reached {
			return &ropeline.Error{Code: ropeline.CodeRateLimited, Message: "Too many attempts. Wait a while.",
				RetryAfter: max(time.Second, time.Until(time.Unix(tries.Reset, 0)))}
		}
	}
	return nil
}
