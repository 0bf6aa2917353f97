package web

import (
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ulule/limiter/v3"
	memorystore "github.com/ulule/limiter/v3/drivers/store/memory"
	redisstore "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// newJoinLimit bounds joins per minute; nil when perMinute is 0.
func newJoinLimit(r *redisdb.Clients, perMinute int) (*limiter.Limiter, error) {
	if perMinute == 0 {
		return nil, nil
	}
	store, err := redisstore.NewStoreWithOptions(r.Write, limiter.StoreOptions{Prefix: "ropeline:join"})
	if err != nil {
		return nil, err
	}
	return limiter.New(store, limiter.Rate{Period: time.Minute, Limit: int64(perMinute)}), nil
}

// mayJoin counts a join: to the fan who is known, and to the address of one
// who asks for an identity, because those cost nothing. The machine's own
// address is not limited. When the count cannot be kept, fans join: a line that
// keeps honest fans out is worse than one that a bot joins once more.
func (s *Server) mayJoin(c *gin.Context, fan ropeline.FanID, minted bool) error {
	if s.joinLimit == nil {
		return nil
	}
	from := s.address(c)
	if from.Unmap().IsLoopback() {
		return nil
	}
	key := "fan:" + string(fan)
	if minted {
		key = "address:" + addressKey(from)
	}
	joins, err := s.joinLimit.Get(c.Request.Context(), key)
	if err != nil {
		s.log.Warn("joins are not counted", "error", err)
		return nil
	}
	if joins.Reached {
		if minted { // or the refusal would bring what the next attempt counts by
			c.Writer.Header().Del("Set-Cookie")
		}
		return &ropeline.Error{Code: ropeline.CodeRateLimited, Message: "Too many have joined from here in the last minute. You may join in a moment.",
			RetryAfter: max(time.Second, time.Until(time.Unix(joins.Reset, 0)))}
	}
	return nil
}

// newPollLimit bounds how often one fan asks this node for its standing, per
// minute; nil when perMinute is 0. It counts in this node's memory: a poll must
// not cost a command of Redis, nor fail with it.
func newPollLimit(perMinute int) *limiter.Limiter {
	if perMinute == 0 {
		return nil
	}
	return limiter.New(memorystore.NewStore(), limiter.Rate{Period: time.Minute, Limit: int64(perMinute)})
}

// mayAsk counts a poll, or the opening of a socket or a stream. When it cannot
// be counted, the fan is told.
func (s *Server) mayAsk(c *gin.Context, fan ropeline.FanID) error {
	if s.pollLimit == nil {
		return nil
	}
	asked, err := s.pollLimit.Get(c.Request.Context(), string(fan))
	if err != nil || !asked.Reached {
		return nil
	}
	return &ropeline.Error{Code: ropeline.CodeRateLimited, Message: "You ask too often. The answer tells in next_ms when to ask again.",
		RetryAfter: max(time.Second, time.Until(time.Unix(asked.Reset, 0)))}
}
