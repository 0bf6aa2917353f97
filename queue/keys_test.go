package queue

import "testing"

func TestKeys(t *testing.T) {
	const event = "0123456789abcdefghijklmnop"
	want := Keys{
		Meta:    "{e:0123456789abcdefghijklmnop}:line:meta",
		Waiting: "{e:0123456789abcdefghijklmnop}:line:waiting",
		Gone:    "{e:0123456789abcdefghijklmnop}:line:gone",
		Lost:    "{e:0123456789abcdefghijklmnop}:line:lost",
		Feed:    "{e:0123456789abcdefghijklmnop}:line:feed",
		Lobby:   "{e:0123456789abcdefghijklmnop}:line:lobby",
		Leavers: "{e:0123456789abcdefghijklmnop}:line:leavers",
	}
	if got := KeysOf(event); got != want {
		t.Errorf("KeysOf = %+v", got)
	}
	if got := operation(event, "x"); got != "{e:0123456789abcdefghijklmnop}:line:op:x" {
		t.Errorf("operation = %s", got)
	}
}
