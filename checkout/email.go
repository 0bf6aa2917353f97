package checkout

import (
	"net/mail"
	"strings"

	"github.com/ropeline/ropeline"
)

// mostEmail is the longest address that SMTP can carry (RFC 5321, 4.5.3.1.3).
const mostEmail = 254

// ParseEmail checks an e-mail address from outside and writes its domain in
// lower case. Error: invalid_email.
func ParseEmail(s string) (string, error) {
	refused := ropeline.Errorf(ropeline.CodeInvalidEmail, "This is not an e-mail address that tickets can be sent to.")
	s = strings.TrimSpace(s)
	if len(s) > mostEmail {
		return "", refused
	}
	address, err := mail.ParseAddress(s)
	if err != nil || address.Name != "" || address.Address != s {
		return "", refused
	}
	at := strings.LastIndexByte(s, '@')
	local, domain := s[:at], strings.ToLower(s[at+1:])
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return "", refused // international addresses need a mail server that knows them
		}
	}
	if len(local) > 64 || strings.ContainsAny(local, `"`) || !strings.Contains(domain, ".") ||
		strings.ContainsAny(domain, "[]_") || strings.HasPrefix(domain, "-") || strings.HasSuffix(domain, ".") {
		return "", refused
	}
	return local + "@" + domain, nil
}
