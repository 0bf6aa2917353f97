package web_test

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/web"
)

func TestMain(m *testing.M) { engines.Main(whole{m}) }

// whole fails a run of all tests in which an operation of the API never
// succeeded: nobody has then seen that its answer is as the document says.
type whole struct{ *testing.M }

func (w whole) Run() int {
	code := w.M.Run()
	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" || flag.Lookup("test.list").Value.String() != "" {
		return code
	}
	for _, route := range slices.Sorted(maps.Keys(web.Operations())) {
		if _, seen := succeeded.Load(route); !seen && !lasts(route) && !slices.Contains(elsewhere, route) {
			fmt.Fprintf(os.Stderr, "%s never succeeded in the tests of web: add one, so that its answer is held to the document\n", route)
			code = 1
		}
	}
	return code
}

// elsewhere are operations that succeed in the tests of identity, checkout and
// internal/app alone. What is here is not held to the document yet: take a line
// out with the test that asks it.
var elsewhere = []string{
	"POST /accounts/password", "POST /payments/webhook", "POST /sandbox/intents/:ref/confirm", "PUT /admin/events/:event/entropy", "PUT /admin/security/totp",
}

// succeeded are the operations that had an answer below 400, by route.
var succeeded sync.Map

// lasts tells the routes that answer for as long as somebody listens, which
// have tests of their own (socket_test.go, stream_test.go, mission_test.go).
func lasts(path string) bool {
	return strings.HasSuffix(path, "/ws") || strings.HasSuffix(path, "/sse")
}

// operationOf finds the route of the API that a request is for, the one with
// the fewest parameters; "" for none.
func operationOf(r *http.Request) (best string) {
	asked, fewest := strings.Split(r.URL.Path, "/"), 1000
	for route := range web.Operations() {
		method, path, _ := strings.Cut(route, " ")
		parts := strings.Split(path, "/")
		if method != r.Method || len(parts) != len(asked) {
			continue
		}
		params, fits := 0, true
		for i, part := range parts {
			if strings.HasPrefix(part, ":") {
				params++
			} else if part != asked[i] {
				fits = false
				break
			}
		}
		if fits && params < fewest {
			best, fewest = route, params
		}
	}
	return best
}
