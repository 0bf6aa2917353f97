package checkout

import (
	"testing"

	"github.com/ropeline/ropeline"
)

func TestKeysLiterally(t *testing.T) {
	want := keys{
		letters:    "{e:abc}:mailbox",
		bodies:     "{e:abc}:mailbox:bodies",
		generation: "{e:abc}:mailbox:generation",
		lease:      "{e:abc}:mailbox:lease",
		wake:       "{e:abc}:mailbox:wake",
		answers:    "{e:abc}:answers",
	}
	if got := keysOf("abc"); got != want {
		t.Errorf("%+v", got)
	}
	if e := eventOfChannel(want.answers); e != ropeline.EventID("abc") {
		t.Errorf("event %q", e)
	}
}
