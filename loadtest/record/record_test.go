package record_test

import (
	"strings"
	"testing"

	"github.com/ropeline/ropeline/loadtest/record"
)

func TestABrokenRecordIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ kept, want string }{
		"no head": {`{"fan":0,"t":1,"step":"join"}`, "head"},
		"no JSON": {`{"fan":-1,"step":"run","run":{}}` + "\nfan 0 came", "observation 2"},
		"cut off": {`{"fan":-1,"step":"run","run":{}}` + "\n" + `{"fan":0,`, "observation 2"},
	} {
		t.Run(name, func(t *testing.T) {
			err := record.Replay(strings.NewReader(c.kept), &record.Memory{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want one about %q", err, c.want)
			}
		})
	}
}
