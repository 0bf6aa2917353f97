package checkout

import "testing"

func TestKeysLiterally(t *testing.T) {
	want := keys{
		letters:    "{e:abc}:mailbox",
		bodies:     "{e:abc}:mailbox:bodies",
		generation: "{e:abc}:mailbox:generation",
		lease:      "{e:abc}:mailbox:lease",
		wake:       "{e:abc}:mailbox:wake",
	}
	if got := keysOf("abc"); got != want {
		t.Errorf("%+v", got)
	}
}
