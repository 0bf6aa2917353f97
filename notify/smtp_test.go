package notify

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

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

// greylisting is a server that says "not now" to the first DATA and keeps what
// came before, so that the next MAIL on the same connection is out of order.
func greylisting(t *testing.T) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{}, 1)
	refused <- struct{}{}
	serve := func(conn net.Conn) {
		defer conn.Close()
		lines := bufio.NewScanner(conn)
		say := func(answer string) { fmt.Fprint(conn, answer+"\r\n") }
		begun := false
		say("220 mail.test")
		for lines.Scan() {
			switch verb, _, _ := strings.Cut(lines.Text(), " "); verb {
			case "MAIL":
				if begun {
					say("503 5.5.1 nested MAIL command")
					continue
				}
				begun = true
				say("250 yes")
			case "RSET":
				begun = false
				say("250 yes")
			case "DATA":
				select {
				case <-refused:
					say("451 4.7.1 try again later")
					continue
				default:
				}
				say("354 go on")
				for lines.Scan() && lines.Text() != "." {
				}
				begun = false
				say("250 taken")
			case "QUIT":
				say("221 bye")
				return
			default:
				say("250 yes")
			}
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().(*net.TCPAddr).Port
}

// One message that is refused is not the next one's trouble.
func TestRefusedDataLeavesTheNextMessageAlone(t *testing.T) {
	s, err := NewSMTP(SMTPOptions{Host: "127.0.0.1", Port: greylisting(t), From: "tickets@house.example", TLS: TLSNone, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(t.Context(), letter("first@example.com")); err == nil || Permanent(err) {
		t.Errorf("told to wait: %v", err)
	}
	if err := s.Send(t.Context(), letter("second@example.com")); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// A server that was asked in the wrong order has not refused the message.
func TestBadSequenceIsNotPermanent(t *testing.T) {
	m := newMailServer(t)
	m.set(func() {
		m.atRcpt = []error{&smtpserver.SMTPError{Code: 503, EnhancedCode: smtpserver.EnhancedCode{5, 5, 1}, Message: "bad sequence"}}
	})
	s := m.sender()
	if err := s.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) {
		t.Errorf("%v", err)
	}
}
