package admission

import (
	"strconv"
	"time"

	"github.com/ropeline/ropeline/internal/safeguard"
)

var started = time.Now()

// ownClock is "", for Redis' clock; where a build for tests has taken that
// safeguard away it is this node's own, which runs twenty times too fast.
func ownClock() string {
	if !safeguard.Off(safeguard.Clock) {
		return ""
	}
	return strconv.FormatInt(started.Add(20*time.Since(started)).UnixMicro(), 10)
}
