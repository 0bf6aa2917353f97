package app

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestReadme holds README's table of settings to Config: every flag,
// variable, default and explanation, and nothing else.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		flag, variable, _ := strings.Cut(f.Tag.Get("arg"), ",env:")
		value := f.Tag.Get("default")
		if value != "" {
			value = "`" + value + "`"
		}
		want = append(want, fmt.Sprintf("| `%s` | `%s` | %s | %s |", flag, variable, value, f.Tag.Get("help")))
	}
	got := 0
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "| `--") {
			got++
		}
	}
	for _, line := range want {
		if !strings.Contains(string(readme), line+"\n") {
			t.Errorf("README.md lacks the line\n%s", line)
		}
	}
	if got != len(want) {
		t.Errorf("README.md tells of %d settings, Config has %d", got, len(want))
	}
}

// TestDefaultConfig holds DefaultConfig to the defaults of the flags.
func TestDefaultConfig(t *testing.T) {
	value := reflect.ValueOf(DefaultConfig())
	for _, f := range reflect.VisibleFields(value.Type()) {
		got := fmt.Sprint(value.FieldByIndex(f.Index).Interface())
		want := f.Tag.Get("default")
		if f.Type == reflect.TypeFor[time.Duration]() {
			d, err := time.ParseDuration(want)
			if err != nil {
				t.Fatal(err)
			}
			want = d.String()
		}
		if got != want {
			t.Errorf("%s: DefaultConfig has %q, the flag %q", f.Name, got, want)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"one engine only":         func(c *Config) { c.DatabaseURL = "postgres://x" },
		"no port":                 func(c *Config) { c.Listen = "localhost" },
		"public URL is no URL":    func(c *Config) { c.PublicURL = "tickets.example" },
		"public URL has a path":   func(c *Config) { c.PublicURL = "https://tickets.example/shop" },
		"origin is no URL":        func(c *Config) { c.Origins = "https://a.example,b" },
		"proxy is no network":     func(c *Config) { c.Proxies = "proxy" },
		"drand is no URL":         func(c *Config) { c.DrandURL = "drand" },
		"no role":                 func(c *Config) { c.Roles = "" },
		"unknown role":            func(c *Config) { c.Roles = "web,clerk" },
		"worker knows no URL":     func(c *Config) { c.Roles = "worker" },
		"Stripe without a page":   func(c *Config) { c.StripeSecretKey, c.StripeWebhookSecret = "sk_test_1", "whsec_1" },
		"Stripe without webhooks": func(c *Config) { c.StripeSecretKey, c.StripePublicKey = "sk_test_1", "pk_test_1" },
		"Stripe's keys swapped": func(c *Config) {
			c.StripeSecretKey, c.StripePublicKey, c.StripeWebhookSecret = "pk_test_1", "sk_test_1", "whsec_1"
		},
		"Stripe's test and live": func(c *Config) {
			c.StripeSecretKey, c.StripePublicKey, c.StripeWebhookSecret = "sk_live_1", "pk_test_1", "whsec_1"
		},
		"mail without a sender":  func(c *Config) { c.SMTPURL = "smtp://mail.example" },
		"no way to secure mail":  func(c *Config) { c.SMTPURL, c.SMTPFrom = "smtp://mail.example?tls=maybe", "a@b.example" },
		"mail by another scheme": func(c *Config) { c.SMTPURL, c.SMTPFrom = "imap://mail.example", "a@b.example" },
		"Twilio without a token": func(c *Config) { c.TwilioAccount = "AC1" },
		"no pace for messages":   func(c *Config) { c.NotifyRate = 0 },
		"hold too short":         func(c *Config) { c.Hold = time.Millisecond },
		"unknown level":          func(c *Config) { c.LogLevel = "loud" },
		"unknown format":         func(c *Config) { c.LogFormat = "xml" },
	} {
		c := DefaultConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
