package deploy_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// compose is the part of the Compose specification that the file uses. Strict
// decoding makes a misspelt key an error.
type compose struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`

	Ropeline    any `yaml:"x-ropeline"`
	Environment any `yaml:"x-environment"`
	Started     any `yaml:"x-started"`
}

type service struct {
	Image           string                                `yaml:"image"`
	Build           string                                `yaml:"build"`
	Command         any                                   `yaml:"command"`
	Restart         string                                `yaml:"restart"`
	Environment     map[string]string                     `yaml:"environment"`
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck     healthcheck                           `yaml:"healthcheck"`
	Ports           []string                              `yaml:"ports"`
	Volumes         []string                              `yaml:"volumes"`
	StopSignal      string                                `yaml:"stop_signal"`
	StopGracePeriod string                                `yaml:"stop_grace_period"`
	ShmSize         string                                `yaml:"shm_size"`
}

type healthcheck struct {
	Test        []string `yaml:"test"`
	Interval    string   `yaml:"interval"`
	Timeout     string   `yaml:"timeout"`
	Retries     int      `yaml:"retries"`
	StartPeriod string   `yaml:"start_period"`
}

// words is the command as arguments.
func (s service) words() []string {
	switch command := s.Command.(type) {
	case string:
		return strings.Fields(command)
	case []any:
		var words []string
		for _, word := range command {
			words = append(words, word.(string))
		}
		return words
	}
	return nil
}

// roles are those that `ropeline serve --roles` names.
func (s service) roles() []string {
	words := s.words()
	if i := slices.Index(words, "--roles"); i >= 0 && i+1 < len(words) {
		return strings.Split(words[i+1], ",")
	}
	return nil
}

func readCompose(t *testing.T) compose {
	t.Helper()
	content, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file compose
	if err := yaml.UnmarshalWithOptions(content, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestComposeHasTheWholeHouse(t *testing.T) {
	file := readCompose(t)
	count := map[string]int{}
	for _, service := range file.Services {
		for _, role := range service.roles() {
			count[role]++
		}
	}
	if count["web"] != 2 || count["admission"] != 1 || count["worker"] != 2 || len(count) != 3 {
		t.Errorf("roles %v; want two web, one admission, two worker", count)
	}
	if !slices.Equal(file.Services["migrate"].words(), []string{"migrate"}) {
		t.Errorf("migrate runs %q", file.Services["migrate"].words())
	}
}

func TestComposeWaitsForWhatItNeeds(t *testing.T) {
	file := readCompose(t)
	for name, service := range file.Services {
		want := map[string]string{}
		switch {
		case name == "migrate":
			want = map[string]string{"postgres": "service_healthy"}
		case name == "proxy":
			want = map[string]string{"web-1": "service_healthy", "web-2": "service_healthy"}
		case service.roles() != nil:
			want = map[string]string{"postgres": "service_healthy", "redis": "service_healthy", "migrate": "service_completed_successfully"}
		}
		for other, condition := range want {
			if got := service.DependsOn[other].Condition; got != condition {
				t.Errorf("%s waits for %s with %q, want %q", name, other, got, condition)
			}
		}
		for other, dependency := range service.DependsOn {
			if dependency.Condition == "service_healthy" && len(file.Services[other].Healthcheck.Test) == 0 {
				t.Errorf("%s waits for the health of %s, which has no health check", name, other)
			}
		}
	}
}

func TestComposeKeepsWhatWasPromised(t *testing.T) {
	file := readCompose(t)
	redis := strings.Join(file.Services["redis"].words(), " ")
	for _, setting := range []string{"--appendonly yes", "--appendfsync everysec", "--auto-aof-rewrite-min-size 512mb", "--maxmemory-policy noeviction"} {
		if !strings.Contains(redis, setting) {
			t.Errorf("Redis runs without %s: %q", setting, redis)
		}
	}
	for _, name := range []string{"postgres", "redis"} {
		service := file.Services[name]
		if len(service.Volumes) != 1 || !strings.HasPrefix(service.Volumes[0], name+":/") {
			t.Errorf("%s keeps its data in %v", name, service.Volumes)
		}
		if _, declared := file.Volumes[name]; !declared {
			t.Errorf("the volume %s is not declared", name)
		}
		if len(service.Ports) > 0 {
			t.Errorf("%s is published: %v", name, service.Ports)
		}
	}
	if !strings.Contains(strings.Join(file.Services["postgres"].words(), " "), "synchronous_commit=on") {
		t.Error("Postgres may lose a commit")
	}
}

func TestProxyKnowsAllWebNodes(t *testing.T) {
	content, err := os.ReadFile("Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range readCompose(t).Services {
		if slices.Contains(service.roles(), "web") && !strings.Contains(string(content), name+":8080") {
			t.Errorf("the proxy leaves out %s", name)
		}
	}
}
