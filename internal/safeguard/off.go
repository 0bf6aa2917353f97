//go:build unsafe_safeguards

package safeguard

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

var off = func() []string {
	names := strings.Split(os.Getenv("ROPELINE_UNSAFE"), ",")
	fmt.Fprintln(os.Stderr, "ropeline: THIS BUILD IS UNSAFE; safeguards taken away:", names)
	return names
}()

// Off tells whether a safeguard was taken away.
func Off(name string) bool { return slices.Contains(off, name) }
