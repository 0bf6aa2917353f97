package checkout

import (
	"strings"

	"github.com/ropeline/ropeline"
)

// keys are the Redis keys of one event's mailbox. They share the event's hash
// tag, so one script may touch them all on a cluster.
type keys struct {
	letters    string // list of letter ids, oldest first
	bodies     string // hash: letter id → body
	generation string // of the last wake-up
	lease      string // the token of the clerk that serves
	wake       string // there while a wake-up is under way
	answers    string // channel, not a key
}

func keysOf(event ropeline.EventID) keys {
	tag := "{e:" + string(event) + "}:"
	return keys{
		letters:    tag + "mailbox",
		bodies:     tag + "mailbox:bodies",
		generation: tag + "mailbox:generation",
		lease:      tag + "mailbox:lease",
		wake:       tag + "mailbox:wake",
		answers:    tag + "answers",
	}
}

// answersOfAll is the pattern of every event's channel of answers.
const answersOfAll = "{e:*}:answers"

// eventOfChannel reads the event out of a channel's name.
func eventOfChannel(channel string) ropeline.EventID {
	tag, _, _ := strings.Cut(strings.TrimPrefix(channel, "{e:"), "}")
	return ropeline.EventID(tag)
}
