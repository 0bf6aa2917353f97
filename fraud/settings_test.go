package fraud

import (
	"math"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

func TestSettingsAreVersioned(t *testing.T) {
	o := newOffice(t, Options{})
	event := o.event()
	if s, known := o.inForce(t.Context(), event); !known || s != DefaultSettings() || s.Enabled {
		t.Fatalf("%+v %v", s, known)
	}
	s := DefaultSettings()
	s.Enabled = true
	first, err := o.set(event, s, "olga")
	if err != nil || first.Version != 1 {
		t.Fatalf("%v %+v", err, first)
	}
	if now, _ := o.inForce(t.Context(), event); now.Version != 1 || !now.Enabled || now.ChangedBy != "olga" {
		t.Errorf("%+v", now)
	}
	second := first
	second.ReviewAt = 0.25
	if second, err = o.set(event, second, "otto"); err != nil || second.Version != 2 {
		t.Fatalf("%v %+v", err, second)
	}
	if _, err := o.set(event, first, "olga"); ropeline.CodeOf(err) != ropeline.CodeRulesConflict {
		t.Errorf("an old version was changed: %v", err)
	}
	history, err := o.History(t.Context(), event)
	if err != nil || len(history) != 3 || history[0].Version != 2 || history[0].ReviewAt != 0.25 || history[2].Version != 0 {
		t.Errorf("%v %+v", err, history)
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"below 0":         func(s *Settings) { s.ReviewAt = -0.1 },
		"above 1":         func(s *Settings) { s.RejectAt = 1.1 },
		"no number":       func(s *Settings) { s.ReviewAt = math.NaN() },
		"review > reject": func(s *Settings) { s.ReviewAt, s.RejectAt = 0.9, 0.8 },
		"no time":         func(s *Settings) { s.ReviewHours = 0 },
		"too long":        func(s *Settings) { s.ReviewHours = 145 },
		"no choice":       func(s *Settings) { s.AtDeadline = Review },
	} {
		s := DefaultSettings()
		if change(&s); ropeline.CodeOf(s.Validate()) != ropeline.CodeInvalidRules {
			t.Errorf("%s: %v", name, s.Validate())
		}
	}
	if err := DefaultSettings().Validate(); err != nil {
		t.Error(err)
	}
}

func TestThresholds(t *testing.T) {
	s := Settings{Enabled: true, ReviewAt: 0.5, RejectAt: 0.9}
	for score, want := range map[float64]Decision{0: Allow, 0.49: Allow, 0.5: Review, 0.89: Review, 0.9: Reject, 1: Reject} {
		if got := s.decide(score); got != want {
			t.Errorf("%v: %s, want %s", score, got, want)
		}
	}
	s.Enabled = false
	if s.decide(1) != Allow {
		t.Error("off, and not allowed")
	}
}

func TestLabelAndPurge(t *testing.T) {
	o := newOffice(t, Options{})
	event := o.event()
	fresh, week, old := o.order(o.Place(t.Context(), o.fan(event, 1))), o.order(o.Place(t.Context(), o.fan(event, 2))), o.order(o.Place(t.Context(), o.fan(event, 3)))
	must(t, pgx.BeginFunc(t.Context(), o.pair.Pool, func(tx pgx.Tx) error { return o.Label(t.Context(), tx, fresh, true) }))
	_, err := o.pair.Pool.Exec(t.Context(), `update fraud_orders set created_at = now() - case order_id when $1 then interval '8 days' else interval '181 days' end
		where order_id in ($1, $2)`, week, old)
	must(t, err)
	must(t, o.Purge(t.Context()))
	var left, traced int
	must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*), count(*) filter (where traces <> '{}') from fraud_orders").Scan(&left, &traced))
	if left != 2 || traced != 1 {
		t.Errorf("%d left, %d with traces", left, traced)
	}
	labels := 0
	must(t, o.Export(t.Context(), event, func(r Row) error {
		if r.Label != nil && *r.Label == 1 {
			labels++
		}
		return nil
	}))
	if labels != 1 {
		t.Errorf("%d labels", labels)
	}
}

func TestDeviceCookie(t *testing.T) {
	o := newOffice(t, Options{})
	cookie := o.NewDevice()
	device := o.Device(cookie)
	if device == "" || o.Device(cookie) != device {
		t.Fatal("our own cookie is not known")
	}
	for _, wrong := range []string{"", "x", cookie[1:], cookie + "A", "A" + cookie[1:], cookie[:len(cookie)-1] + "!"} {
		if wrong != cookie && o.Device(wrong) != "" {
			t.Errorf("%q counts as ours", wrong)
		}
	}
}

func TestNormalise(t *testing.T) {
	for email, want := range map[string]string{
		"Ann.B+x@GoogleMail.com": "annb@gmail.com", "a.b@rare.example": "a.b@rare.example", "+x@rare.example": "+x@rare.example",
		"nobody": "", "@x": "", "a@": "", "": "",
	} {
		if got, _ := normalise(email); got != want {
			t.Errorf("%q: %q, want %q", email, got, want)
		}
	}
}

// A name below a domain of one's own is neither a provider's nor another domain.
func TestDomainsAreThoseThatAreRegistered(t *testing.T) {
	for domain, want := range map[string]struct {
		registered string
		everybodys bool
	}{
		"yahoo.co.uk": {"yahoo.co.uk", true}, "gmx.at": {"gmx.at", true}, "gmailx.com": {"gmailx.com", false}, "co.uk": {"co.uk", false},
		"mail.evil.example": {"evil.example", false}, "me.botfarm.xyz": {"botfarm.xyz", false}, "gmail.evil.example": {"evil.example", false},
		"a7.botfarm.co.uk": {"botfarm.co.uk", false}, "eu.gmx.net": {"gmx.net", true}, "x..y": {"x..y", false},
	} {
		_, registered := normalise("ann@" + domain)
		if registered != want.registered || everybodys(registered) != want.everybodys {
			t.Errorf("%s: %s, everybody's: %v", domain, registered, everybodys(registered))
		}
	}
}
