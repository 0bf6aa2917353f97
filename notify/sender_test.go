package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func base64Reader(r io.Reader) io.Reader { return base64.NewDecoder(base64.StdEncoding, r) }

// bench is a sender with the other side under the test's control. A script
// that the sender cannot meet is nil.
type bench struct {
	sender    Sender
	to        string
	got       func() []string // what the other side has taken, each as text
	sayNotNow func()          // to the next message
	sayNever  func()
	hang      func()
	knowsID   bool // what arrives names the message's ID
}

// Each sender is held to the words of the interface.
func TestSenders(t *testing.T) {
	for name, open := range map[string]func(*testing.T) bench{"smtp": openSMTP, "twilio": openTwilio, "log": openLog} {
		t.Run(name, func(t *testing.T) {
			t.Run("takes", func(t *testing.T) {
				b := open(t)
				for range 2 {
					if err := b.sender.Send(t.Context(), letter(b.to)); err != nil {
						t.Fatal(err)
					}
				}
				got := b.got()
				if len(got) != 2 {
					t.Fatalf("%d messages came", len(got))
				}
				for _, message := range got {
					if !strings.Contains(message, "grüße") && !strings.Contains(message, "gr=C3=BC=C3=9Fe") && !strings.Contains(message, "Tickets") {
						t.Errorf("what came is another message: %s", message)
					}
					if b.knowsID && !strings.Contains(message, "id-1") {
						t.Errorf("what came does not name the message: %s", message)
					}
				}
				if b.sender.Name() != name {
					t.Errorf("it calls itself %q", b.sender.Name())
				}
			})
			t.Run("not now", func(t *testing.T) {
				b := open(t)
				if b.sayNotNow == nil {
					t.Skip("always takes")
				}
				b.sayNotNow()
				if err := b.sender.Send(t.Context(), letter(b.to)); err == nil || Permanent(err) {
					t.Fatalf("told to wait: %v", err)
				}
				if err := b.sender.Send(t.Context(), letter(b.to)); err != nil {
					t.Fatalf("the second try: %v", err)
				}
			})
			t.Run("never", func(t *testing.T) {
				b := open(t)
				if b.sayNever == nil {
					t.Skip("always takes")
				}
				b.sayNever()
				if err := b.sender.Send(t.Context(), letter(b.to)); !Permanent(err) {
					t.Fatalf("refused for good: %v", err)
				}
				if err := b.sender.Send(t.Context(), letter(b.to)); err != nil {
					t.Fatalf("another message: %v", err)
				}
			})
			t.Run("hangs", func(t *testing.T) {
				b := open(t)
				if b.hang == nil {
					t.Skip("never hangs")
				}
				b.hang()
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				if err := b.sender.Send(ctx, letter(b.to)); err == nil || Permanent(err) {
					t.Fatalf("no answer: %v", err)
				}
				if err := b.sender.Send(t.Context(), letter(b.to)); err != nil {
					t.Fatalf("the next message: %v", err)
				}
			})
			t.Run("ended", func(t *testing.T) {
				b := open(t)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := b.sender.Send(ctx, letter(b.to)); err == nil || Permanent(err) {
					t.Fatalf("sent after its end: %v", err)
				}
			})
			t.Run("at once", func(t *testing.T) {
				b := open(t)
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() {
						if err := b.sender.Send(t.Context(), letter(b.to)); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if n := len(b.got()); n != 20 {
					t.Errorf("%d of 20 came", n)
				}
				if err := b.sender.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func letter(to string) Message {
	return Message{ID: "id-1", To: to, Subject: "Tickets, schöne grüße", Text: "grüße\n", HTML: "<p>grüße</p>", Inline: []Inline{{CID: "c", Name: "c.png", PNG: []byte("png")}}}
}

func openSMTP(t *testing.T) bench {
	m := newMailServer(t)
	return bench{
		sender: m.sender(), to: "fan@example.com", got: m.messages, knowsID: true,
		sayNotNow: func() { m.set(func() { m.atRcpt = append(m.atRcpt, notNow) }) },
		sayNever:  func() { m.set(func() { m.atRcpt = append(m.atRcpt, never) }) },
		hang:      func() { m.set(func() { m.atData = append(m.atData, errStalled) }) },
	}
}

// twilioFake plays Twilio's API for messages.
type twilioFake struct {
	mu     sync.Mutex
	got    []url.Values
	status []int // of the next answers; 0: hang
	code   int
	asked  *http.Request
}

func (f *twilioFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	f.mu.Lock()
	f.asked = r
	status := http.StatusCreated
	if len(f.status) > 0 {
		status, f.status = f.status[0], f.status[1:]
	}
	if status == http.StatusCreated {
		f.got = append(f.got, r.PostForm)
	}
	f.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status == http.StatusCreated {
		json.NewEncoder(w).Encode(map[string]any{"sid": "SM1", "status": "queued"})
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"code": f.code, "message": "no", "status": status})
}

func (f *twilioFake) answer(status, code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.code = append(f.status, status), code
}

func newTwilioFake(t *testing.T) (*twilioFake, *Twilio) {
	fake := &twilioFake{}
	server := httptest.NewServer(fake)
	s, err := NewTwilio(TwilioOptions{AccountSID: "AC123", AuthToken: "token", From: "+15005550006", BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); server.Close() })
	return fake, s
}

func openTwilio(t *testing.T) bench {
	fake, s := newTwilioFake(t)
	return bench{
		sender: s, to: "+436641234567",
		got: func() []string {
			fake.mu.Lock()
			defer fake.mu.Unlock()
			var all []string
			for _, form := range fake.got {
				all = append(all, form.Get("Body"))
			}
			return all
		},
		sayNotNow: func() { fake.answer(http.StatusTooManyRequests, 20429) },
		sayNever:  func() { fake.answer(http.StatusBadRequest, 21211) },
		hang:      func() { fake.answer(0, 0) },
	}
}

func TestTwilioIsAskedAsItWants(t *testing.T) {
	fake, s := newTwilioFake(t)
	if err := s.Send(t.Context(), letter("+436641234567")); err != nil {
		t.Fatal(err)
	}
	user, password, _ := fake.asked.BasicAuth()
	if fake.asked.URL.Path != "/2010-04-01/Accounts/AC123/Messages.json" || user != "AC123" || password != "token" {
		t.Errorf("%s %s:%s", fake.asked.URL, user, password)
	}
	if form := fake.got[0]; form.Get("To") != "+436641234567" || form.Get("From") != "+15005550006" || form.Has("MessagingServiceSid") {
		t.Errorf("%v", form)
	}
	for status, permanent := range map[int]bool{401: false, 403: false, 404: false, 408: false, 429: false, 500: false, 503: false, 400: true, 422: true} {
		fake.answer(status, 1)
		if err := s.Send(t.Context(), letter("+1")); err == nil || Permanent(err) != permanent {
			t.Errorf("%d: %v", status, err)
		}
	}
	s.options.From = "MG123"
	if err := s.Send(t.Context(), letter("+1")); err != nil || fake.got[1].Get("MessagingServiceSid") != "MG123" || fake.got[1].Has("From") {
		t.Errorf("%v %v", err, fake.got[1])
	}
	for _, bad := range []TwilioOptions{{}, {AccountSID: "a", AuthToken: "b"}, {AccountSID: "a", AuthToken: "b", From: "c", BaseURL: "ftp://x"}} {
		if _, err := NewTwilio(bad); err == nil {
			t.Errorf("%+v: taken", bad)
		}
	}
}

func openLog(t *testing.T) bench {
	var mu sync.Mutex
	var b strings.Builder
	handler := slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}), nil)
	return bench{
		sender: NewLog(slog.New(handler)), to: "fan@example.com", knowsID: true,
		got: func() []string {
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(b.String(), "fan@") {
				t.Error("an address is in the log")
			}
			return strings.Split(strings.TrimSpace(b.String()), "\n")
		},
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
