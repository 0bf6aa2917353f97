package workload

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Spec describes a system.
type Spec struct {
	Name    string            `yaml:"name"`
	Base    string            `yaml:"base"` // its base URL
	Vars    map[string]string `yaml:"vars"` // values for {name} in what follows
	Join    *Work             `yaml:"join"`
	Poll    *Work             `yaml:"poll"`
	Socket  *Work             `yaml:"socket"`
	Reserve *Work             `yaml:"reserve"`
}

// Work is one workload: the step that is measured, and what comes before it.
type Work struct {
	Before []Step        `yaml:"before"` // not measured
	Each   bool          `yaml:"each"`   // before every measured step, not once for each worker
	Step   Step          `yaml:"step"`
	Conns  int           `yaml:"conns"` // workers, or sockets; 0: 64
	For    time.Duration `yaml:"for"`   // 0: 10 s
}

// Step is a request. {name} in path, headers and body is replaced by a variable:
// those of the spec, those that earlier steps took, {unique}, a new word each
// time.
type Step struct {
	Method  string            `yaml:"method"` // empty: GET
	Path    string            `yaml:"path"`
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`
	Take    map[string]string `yaml:"take"`  // variable: where it is in the JSON answer, such as "fan.token" or "items.0.id"
	Until   string            `yaml:"until"` // repeat the step, every 100 ms for up to a minute, until it gives this variable
}

// Load reads and checks a spec; vars given on the command line win.
func Load(path string, vars map[string]string) (*Spec, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &Spec{}
	if err := yaml.UnmarshalWithOptions(raw, s, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, false))
	}
	if s.Vars == nil {
		s.Vars = make(map[string]string)
	}
	for name, value := range vars {
		s.Vars[name] = value
	}
	s.Base = strings.TrimSuffix(expand(s.Base, s.Vars), "/")
	if u, err := url.Parse(s.Base); err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme) {
		return nil, fmt.Errorf("%s: base: %q is no URL", path, s.Base)
	}
	if len(s.works()) == 0 {
		return nil, fmt.Errorf("%s: none of join, poll, socket, reserve is described", path)
	}
	for _, w := range s.works() {
		if w.work.Step.Path == "" {
			return nil, fmt.Errorf("%s: %s.step.path is missing", path, w.name)
		}
		if w.work.Conns < 0 || w.work.Conns > 20_000 || w.work.For < 0 || w.work.For > time.Hour {
			return nil, fmt.Errorf("%s: %s: want 0 to 20000 conns and at most an hour", path, w.name)
		}
	}
	return s, nil
}

type named struct {
	name string
	work *Work
}

func (s *Spec) works() (works []named) {
	for _, w := range []named{{"join", s.Join}, {"poll", s.Poll}, {"socket", s.Socket}, {"reserve", s.Reserve}} {
		if w.work != nil {
			works = append(works, w)
		}
	}
	return works
}

// expand replaces {name} by variables; others stay as they are.
func expand(text string, vars map[string]string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if value, known := vars[name]; closed && known {
			b.WriteString(value)
			text = after
		} else {
			b.WriteByte('{')
			text = rest
		}
	}
}

var errStuck = errors.New("it did not come within a minute")
