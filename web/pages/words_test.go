package pages

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/notify"
)

func TestWords(t *testing.T) {
	at := func(low, high int64) string { return wait(&ropeline.Range{Low: low, High: high}) }
	in := func(d time.Duration) string { return remain(noon, noon.Add(d)) }
	eur := func(minor int64) string { return price(ropeline.Money{Minor: minor, Currency: "EUR"}) }
	for _, test := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(int64(-1234567)), "-1,234,567"},
		{wait(nil), "we can’t tell yet"}, {at(0, 60), "less than a minute"}, {at(30, 61), "up to 2 minutes"},
		{at(110, 290), "about 1–5 minutes"}, {at(120, 120), "about 2 minutes"}, {at(3600, 9000), "about 1–3 hours"}, {at(0, 5400), "up to 2 hours"},
		{in(-time.Hour), "00:00"}, {in(time.Millisecond), "00:01"}, {in(time.Hour + 61*time.Second), "01:01:01"}, {in(49 * time.Hour), "2d 01:00:00"},
		{ahead(0), "You are next"}, {ahead(1), "1 person ahead of you"}, {ahead(1204), "1,204 people ahead of you"},
		{eur(123450), "€1,234.50"}, {eur(-5), "-€0.05"}, {price(ropeline.Money{Minor: 1200, Currency: "CHF"}), "CHF\u00a012.00"},
		{price(ropeline.Money{Minor: 1200, Currency: "JPY"}), "¥1,200"}, {price(ropeline.Money{Minor: 1200, Currency: "KWD"}), "KWD\u00a01.200"},
		{span(1), "1 second"}, {span(90), "90 seconds"}, {span(120), "2 minutes"}, {span(7200), "2 hours"},
		{fmt.Sprint(done(100, 25)), "75"}, {fmt.Sprint(done(0, 25)), "0"}, {fmt.Sprint(done(10, 25)), "0"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

// Every kind of message has words of its own.
func TestMessagesAreNamed(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range notify.Kinds() {
		name := messageWords(string(kind))
		if name == string(kind) || strings.Contains(name, "_") || seen[name] {
			t.Errorf("%s is shown as %q", kind, name)
		}
		seen[name] = true
	}
}

// The browser goes on with what the server began, in the same words.
func TestModulesSpeakAsTheServer(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node was not found; deploy/setup.sh --for-tests installs it on Debian")
	}
	strip := func(name string) string {
		module, err := staticFiles.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(module), "export ", "")
	}
	var script strings.Builder
	script.WriteString(strip("js/words.js") + strip("js/money.js") + "const said = [];\n")
	var want []string
	say := func(expect, call string, args ...any) {
		want = append(want, expect)
		fmt.Fprintf(&script, "said.push(%s);\n", fmt.Sprintf(call, args...))
	}
	say(wait(nil), "wait(null)")
	for _, low := range []int64{0, 1, 59, 60, 61, 110, 3599, 3600, 7300} {
		for _, more := range []int64{0, 1, 59, 61, 180, 1799, 1801, 5400, 86400} {
			say(wait(&ropeline.Range{Low: low, High: low + more}), "wait({low:%d,high:%d})", low, low+more)
		}
		say(ahead(low), "ahead(%d)", low)
		say(remain(noon, noon.Add(time.Duration(low)*31*time.Second)), "remain(%d)", low*31)
		for _, currency := range []string{"EUR", "USD", "GBP", "CHF", "JPY", "SEK", "KWD", "INR", "PLN"} {
			say(price(ropeline.Money{Minor: low * 1234, Currency: currency}), "price({minor:%d,currency:%q})", low*1234, currency)
		}
	}
	script.WriteString("console.log(JSON.stringify(said));\n")
	run := exec.CommandContext(t.Context(), node, "--input-type=module")
	run.Stdin = strings.NewReader(script.String())
	out, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if said[i] != want[i] {
			t.Errorf("the module says %q, the server %q", said[i], want[i])
		}
	}
}
