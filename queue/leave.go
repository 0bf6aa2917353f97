package queue

import (
	"context"

	"github.com/ropeline/ropeline"
)

// Leave takes a fan out of the line or the lobby. Leaving twice, or without standing in
// the line, is no error. With an operation id (op, may be empty), a leave that
// is repeated within a minute spares the place of a fan who joined again. The
// code is not_open for the moment in which the entrants of a draw are written
// down.
func (l *Line) Leave(ctx context.Context, event ropeline.EventID, fan ropeline.FanID, op string) error {
	keys := KeysOf(event)
	given := 0
	if op != "" {
		given = 1
	}
	for range 2 {
		reply, err := l.scripts.leave.Run(ctx, l.redis.Write,
			[]string{keys.Meta, keys.Waiting, keys.Gone, keys.Feed, operation(event, op), keys.Lobby, keys.Leavers}, string(fan), given).Int64Slice()
		if err != nil {
			return ropeline.Unavailable(err)
		}
		if len(reply) != 2 {
			return ropeline.Unavailable(replyError("leave", reply))
		}
		if reply[1] < 0 {
			return drawing()
		}
		if reply[0] > 0 {
			return nil
		}
		if err := l.Restore(ctx, event); err != nil {
			return err
		}
	}
	return ropeline.Unavailable(errLost)
}
