package checkout

import "github.com/ropeline/ropeline"

// keys are the Redis keys of one event's mailbox. They share the event's hash
// tag, so one script may touch them all on a cluster.
type keys struct {
	letters    string // list of letter ids, oldest first
	bodies     string // hash: letter id → body
	generation string // of the last wake-up
	lease      string // the token of the clerk that serves
	wake       string // there while a wake-up is under way
}

func keysOf(event ropeline.EventID) keys {
	tag := "{e:" + string(event) + "}:"
	return keys{
		letters:    tag + "mailbox",
		bodies:     tag + "mailbox:bodies",
		generation: tag + "mailbox:generation",
		lease:      tag + "mailbox:lease",
		wake:       tag + "mailbox:wake",
	}
}

// answersChannel is where clerks tell every node what they have committed.
const answersChannel = "ropeline:answers"
