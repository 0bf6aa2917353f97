package notify

import (
	"io"
	"testing"

	smtpserver "github.com/emersion/go-smtp"
)

// Passwords do not travel in the clear, and TLS that was asked for is not
// done without.
func TestSMTPIsSecured(t *testing.T) {
	plain := newMailServer(t, func(s *smtpserver.Server) { s.TLSConfig = nil; s.AllowInsecureAuth = true })
	mandatory := plain.sender()
	if err := mandatory.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) {
		t.Errorf("without TLS: %v", err)
	}
	login := plain.sender(func(o *SMTPOptions) { o.TLS, o.User, o.Password = TLSNone, "house", "secret" })
	if err := login.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) || plain.logins != 0 {
		t.Errorf("signed in without TLS: %v", err)
	}
	for _, way := range []TLS{TLSNone, TLSOpportunistic} {
		s := plain.sender(func(o *SMTPOptions) { o.TLS = way })
		if err := s.Send(t.Context(), letter("fan@example.com")); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	secure := newMailServer(t)
	wrong := secure.sender(func(o *SMTPOptions) { o.User, o.Password = "house", "wrong" })
	if err := wrong.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) {
		t.Errorf("a wrong password must not end a message for good: %v", err)
	}
	stranger := secure.sender(func(o *SMTPOptions) { o.TLSConfig = nil })
	if err := stranger.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) {
		t.Errorf("an unknown certificate: %v", err)
	}
	for _, bad := range []SMTPOptions{{}, {Host: "h"}, {From: "a@b.example"}, {Host: "h", From: "a@b.example", TLS: "some"}} {
		if _, err := NewSMTP(bad); err == nil {
			t.Errorf("%+v: taken", bad)
		}
	}
}

// Connections are used again, and one that the server has closed meanwhile is
// not the message's trouble.
func TestSMTPConnectionsAreKept(t *testing.T) {
	m := newMailServer(t)
	s := m.sender(func(o *SMTPOptions) { o.TLS = TLSNone })
	for range 3 {
		if err := s.Send(t.Context(), letter("fan@example.com")); err != nil {
			t.Fatal(err)
		}
	}
	if m.conns != 1 {
		t.Errorf("%d connections", m.conns)
	}
	m.last.Conn().Close()
	idle := <-s.idle
	io.Copy(io.Discard, idle.conn) // until that has come here
	s.idle <- idle
	if err := s.Send(t.Context(), letter("fan@example.com")); err != nil || m.conns != 2 {
		t.Errorf("%d connections: %v", m.conns, err)
	}
}
