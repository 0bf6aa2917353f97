package web_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/hub"
)

var row = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\|")

// The fields that the protocol's page tells of are those of the Go type, in
// the same order and of the same kind.
func TestProtocolTellsEveryField(t *testing.T) {
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## The status\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var told, real []string
	for _, match := range row.FindAllStringSubmatch(section, -1) {
		told = append(told, match[1]+" "+match[2])
	}
	kinds := map[string]string{"bool": "boolean", "int64": "integer", "*ropeline.Range": "object", "*ropeline.Announcement": "object", "*time.Time": "time", "[]ropeline.Left": "list"}
	for field := range reflect.TypeFor[ropeline.Status]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		kind := kinds[field.Type.String()]
		if field.Type.Kind() == reflect.String {
			kind = "string"
		}
		real = append(real, name+" "+kind)
	}
	if !slices.Equal(told, real) {
		t.Errorf("docs/protocol.md tells of\n%s\nand Status has\n%s", strings.Join(told, "\n"), strings.Join(real, "\n"))
	}
	for _, reason := range []hub.Reason{hub.Gone, hub.Slow, hub.Shutdown, hub.Crowded, hub.Closed, hub.Lost} {
		if !strings.Contains(string(page), fmt.Sprintf("| %d | %s |", reason.Code, reason.Word)) {
			t.Errorf("docs/protocol.md does not tell of %d %s", reason.Code, reason.Word)
		}
	}
	if !strings.Contains(section, "`"+ropeline.ReasonLineRebuilt+"`") {
		t.Error("docs/protocol.md does not name the reason")
	}
}
