package paymenttest

import (
	"iter"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// more than a page of any gateway
const many = 105

func all[T any](t *testing.T, list iter.Seq2[T, error]) []T {
	t.Helper()
	var found []T
	for one, err := range list {
		must(t, err)
		found = append(found, one)
	}
	return found
}

func lists(t *testing.T, g Gateway) {
	p := g.Provider
	if n := len(all(t, p.Intents(t.Context(), payment.Query{}))); n != 0 {
		t.Fatalf("%d intents at the beginning", n)
	}
	opened := map[string]payment.Object{}
	for range many {
		o, err := p.Create(t.Context(), intent())
		must(t, err)
		opened[o.Ref] = o
	}
	found := all(t, p.Intents(t.Context(), payment.Query{}))
	for i, o := range found {
		if opened[o.Ref] != o {
			t.Fatalf("listed as %+v, created as %+v", o, opened[o.Ref])
		}
		if i > 0 && o.Created.After(found[i-1].Created) {
			t.Fatalf("%v comes after %v", o.Created, found[i-1].Created)
		}
		delete(opened, o.Ref)
	}
	if len(found) != many || len(opened) != 0 {
		t.Fatalf("%d listed, %d missing", len(found), len(opened))
	}
	// Whoever stops in the middle gets nothing more.
	seen := 0
	for range p.Intents(t.Context(), payment.Query{}) {
		if seen++; seen == 3 {
			break
		}
	}
	// A time is a half-open interval. Gateways count in seconds.
	oldest, newest := found[many-1].Created, found[0].Created
	for _, c := range []struct {
		since, until time.Time
		want         int
	}{
		{oldest, newest.Add(time.Second), many},
		{oldest, time.Time{}, many},
		{newest.Add(time.Second), time.Time{}, 0},
		{time.Time{}, oldest, 0},
		{oldest, oldest, 0},
	} {
		if n := len(all(t, p.Intents(t.Context(), payment.Query{Since: c.since, Until: c.until}))); n != c.want {
			t.Errorf("from %v until %v: %d, want %d", c.since, c.until, n, c.want)
		}
	}

	first, second := captured(t, g), captured(t, g)
	part := ropeline.Money{Minor: 1000, Currency: price.Currency}
	one, err := p.Refund(t.Context(), first.Ref, part, "one:"+first.Ref)
	must(t, err)
	two, err := p.Refund(t.Context(), first.Ref, part, "two:"+first.Ref)
	must(t, err)
	three, err := p.Refund(t.Context(), second.Ref, price, "all:"+second.Ref)
	must(t, err)
	for _, c := range []struct {
		intent string
		want   []payment.Refund
	}{{"", []payment.Refund{one, two, three}}, {first.Ref, []payment.Refund{one, two}}, {second.Ref, []payment.Refund{three}}} {
		found := map[string]payment.Refund{}
		for _, r := range all(t, p.Refunds(t.Context(), payment.Query{Intent: c.intent})) {
			found[r.Ref] = r
		}
		for _, r := range c.want {
			if got := found[r.Ref]; got.Intent != r.Intent || got.Key != r.Key || got.Amount != r.Amount || !got.Created.Equal(r.Created) || r.Created.IsZero() || r.Key == "" {
				t.Errorf("of %q: listed as %+v, made as %+v", c.intent, got, r)
			}
		}
		if len(found) != len(c.want) {
			t.Errorf("of %q: %d refunds", c.intent, len(found))
		}
	}
	if o := want(t, g, first.Ref, payment.StatusCaptured); o.Refunded != 2000 || o.Disputed {
		t.Errorf("%+v", o)
	}
	if n := len(all(t, p.Refunds(t.Context(), payment.Query{Until: one.Created}))); n != 0 {
		t.Errorf("%d refunds before the first", n)
	}
}

func captured(t *testing.T, g Gateway) payment.Object {
	t.Helper()
	o := authorized(t, g)
	o, err := g.Provider.Capture(t.Context(), o.Ref, "capture:"+o.Ref)
	must(t, err)
	return o
}

func disputes(t *testing.T, g Gateway) {
	o, other := captured(t, g), captured(t, g)
	if found := all(t, g.Provider.Disputes(t.Context(), payment.Query{})); len(found) != 0 {
		t.Fatalf("%+v", found)
	}
	if _, err := g.Webhooks(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"needs_response", "under_review", "lost"} {
		must(t, g.Dispute(t.Context(), o, status))
		for _, intent := range []string{"", o.Ref} {
			found := all(t, g.Provider.Disputes(t.Context(), payment.Query{Intent: intent}))
			if len(found) != 1 || found[0].Status != status || found[0].Intent != o.Ref || found[0].Amount != price || found[0].Ref == "" ||
				found[0].Reason == "" || found[0].Created.IsZero() || !found[0].Due.After(found[0].Created) {
				t.Fatalf("%s: %+v", status, found)
			}
		}
		messages, err := g.Webhooks(t.Context())
		must(t, err)
		told := false
		for _, m := range messages {
			events, err := g.Provider.ParseWebhook(m.Header, m.Body)
			must(t, err)
			for _, event := range events {
				told = told || event.Ref == o.Ref
			}
		}
		if !told {
			t.Errorf("no webhook tells that it is %s", status)
		}
	}
	if !want(t, g, o.Ref, payment.StatusCaptured).Disputed || want(t, g, other.Ref, payment.StatusCaptured).Disputed {
		t.Error("the wrong intent is disputed")
	}
	if found := all(t, g.Provider.Disputes(t.Context(), payment.Query{Intent: other.Ref})); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	if g.Dispute(t.Context(), opened(t, g), "needs_response") == nil {
		t.Error("money that was not taken is disputed")
	}
}
