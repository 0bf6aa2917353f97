package admission

import "testing"

func TestKeys(t *testing.T) {
	const event = "0123456789abcdefghijklmnop"
	want := keys{
		rules:     "{e:0123456789abcdefghijklmnop}:admission:rules",
		state:     "{e:0123456789abcdefghijklmnop}:admission:state",
		shoppers:  "{e:0123456789abcdefghijklmnop}:admission:shoppers",
		deadlines: "{e:0123456789abcdefghijklmnop}:admission:deadlines",
		holding:   "{e:0123456789abcdefghijklmnop}:admission:holding",
		redeemed:  "{e:0123456789abcdefghijklmnop}:admission:redeemed",
		bypass:    "{e:0123456789abcdefghijklmnop}:admission:bypass",
		nodes:     "{e:0123456789abcdefghijklmnop}:admission:nodes",
	}
	if got := keysOf(event); got != want {
		t.Errorf("keysOf = %+v", got)
	}
	if got := operation(event, "x"); got != "{e:0123456789abcdefghijklmnop}:admission:op:x" {
		t.Errorf("operation = %s", got)
	}
}
