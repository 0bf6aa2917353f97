package deploy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/alexflint/go-arg"

	"github.com/ropeline/ropeline/internal/app"
)

// The program as each container would call it: the same words are parsed into
// the same Config, which must find them valid.
func TestComposeSpeaksTheProgramsFlagsAndVariables(t *testing.T) {
	known := variables()
	for name, service := range readCompose(t).Services {
		if service.Build == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for variable := range known {
				t.Setenv(variable, "")
				os.Unsetenv(variable)
			}
			for variable, value := range service.Environment {
				if !known[variable] {
					t.Errorf("the program knows no variable %s", variable)
				}
				t.Setenv(variable, withDefaults(value))
			}
			words := service.words()
			if code := app.Main(t.Context(), append(words, "--help"), io.Discard, io.Discard); code != 0 {
				t.Errorf("the program does not understand %q", words)
			}

			var line struct {
				Word string `arg:"positional"`
				app.Config
			}
			parser, err := arg.NewParser(arg.Config{}, &line)
			if err != nil {
				t.Fatal(err)
			}
			if err := parser.Parse(words); err != nil {
				t.Fatal(err)
			}
			if err := line.Config.Validate(); err != nil {
				t.Error(err)
			}
			if line.DatabaseURL == "" || line.RedisURL == "" {
				t.Error("it would start private engines in its container")
			}
			for _, role := range service.roles() {
				if !line.Config.Has(role) {
					t.Errorf("%q does not give it the role %s", words, role)
				}
			}
		})
	}
}

func TestComposeHealthCheckAsksTheProgram(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	test := readCompose(t).Services["web-1"].Healthcheck.Test
	if len(test) < 2 || test[0] != "CMD" || path.Base(test[1]) != "ropeline" {
		t.Fatalf("the image has no shell, only the program: %q", test)
	}
	args := strings.Split(strings.ReplaceAll(strings.Join(test[2:], "\n"), "http://127.0.0.1:8080", server.URL), "\n")
	if code := app.Main(t.Context(), args, io.Discard, io.Discard); code != 0 {
		t.Errorf("%q of a ready program ends with %d", args, code)
	}
	status = http.StatusServiceUnavailable
	if code := app.Main(t.Context(), args, io.Discard, io.Discard); code == 0 {
		t.Errorf("%q of a program that is not ready succeeds", args)
	}
	http.DefaultClient.CloseIdleConnections()
}

// variables are those that the program reads.
func variables() map[string]bool {
	known := map[string]bool{}
	for field := range reflect.TypeFor[app.Config]().Fields() {
		if _, rest, found := strings.Cut(field.Tag.Get("arg"), "env:"); found {
			name, _, _ := strings.Cut(rest, ",")
			known[name] = true
		}
	}
	return known
}

var substitution = regexp.MustCompile(`\$\{\w+:-([^}]*)\}`)

// withDefaults does what Compose does with variables that are not set.
func withDefaults(value string) string { return substitution.ReplaceAllString(value, "$1") }
