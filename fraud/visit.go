package fraud

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// Visit is what web knows of a fan who joins or orders. Its texts are hashed
// and forgotten.
type Visit struct {
	Event   ropeline.EventID
	Fan     ropeline.FanID
	Address netip.Addr
	Browser string             // User-Agent, Accept-Language and client hints
	Device  string             // the id in the device cookie; empty when the browser keeps none
	Email   string             // of an order
	Account ropeline.AccountID // of a fan who is logged in
}

// Traces are the keyed hashes that an order is counted by, by their kind.
type Traces map[string]string

// kinds are the traces with their signals, in the order of the scripts' keys.
var kinds = []struct {
	trace       string
	short, long Signal
}{
	{"address", Address10m, Address24h},
	{"network", Network10m, Network24h},
	{"device", Device10m, Device24h},
	{"card", Card10m, Card24h},
	{"domain", Domain10m, Domain24h},
	{"mailbox", Mailbox10m, Mailbox24h},
}

const (
	shortWindow = 10 * time.Minute
	longWindow  = 24 * time.Hour
)

// traces hashes what identifies a visit. The machine's own address stands for
// nobody, and neither does a browser that keeps no cookie there.
func (f *Fraud) traces(v Visit) Traces {
	t := Traces{}
	address := v.Address.Unmap().WithZone("")
	near := ""
	if address.IsValid() && !address.IsLoopback() {
		bits := 24
		if address.Is6() {
			bits = 64
		}
		prefix, _ := address.Prefix(bits)
		near = prefix.String()
		t["address"] = f.trace(v.Event, "address", address.String())
		t["network"] = f.trace(v.Event, "network", near)
	}
	switch {
	case v.Device != "":
		t["device"] = f.trace(v.Event, "device", v.Device+"\x00"+v.Browser)
	case near != "":
		t["device"] = f.trace(v.Event, "browser", near+"\x00"+v.Browser)
	}
	if mailbox, domain := normalise(v.Email); mailbox != "" {
		t["mailbox"] = f.trace(v.Event, "mailbox", mailbox)
		if !everybodys(domain) {
			t["domain"] = f.trace(v.Event, "domain", domain)
		}
	}
	return t
}

// trace is 12 bytes of a MAC over event, kind and value: nobody can reverse it
// or find it in another event without the house's secret.
func (f *Fraud) trace(event ropeline.EventID, kind, value string) string {
	mac := f.keys.MAC(keyring.PurposeFraud, []byte(string(event)+"\x00"+kind+"\x00"+value))
	return base64.RawURLEncoding.EncodeToString(mac[:12])
}

// normalise makes one mailbox of its spellings, and one domain of the names
// that its owner can make up below the one that is registered; both are empty
// for what is no address.
func normalise(email string) (mailbox, domain string) {
	mailbox = ropeline.AddressKey(strings.TrimSpace(email))
	local, domain, _ := strings.Cut(mailbox, "@")
	if local == "" || domain == "" {
		return "", ""
	}
	if registered, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		domain = registered
	}
	return mailbox, domain
}

// providers are mailbox providers whose domain says nothing, without their
// national endings.
var providers = []string{
	"126", "163", "abv", "aol", "bluewin", "btinternet", "comcast", "email", "fastmail", "free", "freenet", "gmail", "gmx", "hey", "hotmail",
	"icloud", "interia", "laposte", "libero", "live", "mac", "mail", "mailbox", "me", "msn", "naver", "o2", "onet", "orange", "outlook",
	"pm", "posteo", "proton", "protonmail", "qq", "rambler", "rediffmail", "seznam", "sfr", "sky", "t-online", "telenet", "tiscali", "tuta",
	"tutanota", "uol", "verizon", "virgilio", "wanadoo", "web", "wp", "yahoo", "yandex", "ymail", "zoho",
}

// everybodys tells a provider's domain, as it is registered, by its first
// label: gmx.at, yahoo.co.uk.
func everybodys(domain string) bool {
	name, _, _ := strings.Cut(domain, ".")
	return slices.Contains(providers, name)
}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// born is when the fan was first seen: the account's birth, or that of the
// fan's own identity. Both ids begin with it; what an account is called in one
// event's line is a MAC and does not.
func (v Visit) born() (time.Time, bool) {
	id := string(v.Account)
	if id == "" {
		id = string(v.Fan)
	}
	raw, err := idEncoding.DecodeString(id)
	if err != nil || len(raw) < 8 {
		return time.Time{}, false
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(raw) >> 16))
	return at, at.Year() >= 2025 && at.Year() < 2200
}
