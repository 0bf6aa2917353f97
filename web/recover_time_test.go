package web

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/queue"
)

func TestRecoveryLinkRunsOut(t *testing.T) {
	t.Parallel()
	pair := engines.Test(t)
	keys, err := keyring.Load(t.Context(), pair.Pool)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{keys: keys, line: queue.New(&redisdb.Clients{}, nil, keys, nil)}
	until := time.Unix(1_800_000_000, 0)
	place := queue.Place{Event: ropeline.NewID[ropeline.EventID](), Fan: ropeline.NewID[ropeline.FanID](), Number: 7, Epoch: 3}
	token := s.recoveryToken(place, until)
	if got, err := s.parseRecovery(token, until.Add(-time.Second)); err != nil || got != place {
		t.Errorf("in time: %+v %v", got, err)
	}
	if _, err := s.parseRecovery(token, until); ropeline.CodeOf(err) != ropeline.CodePlaceInvalid {
		t.Errorf("too late: %v", err)
	}
}
