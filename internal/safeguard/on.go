//go:build !unsafe_safeguards

package safeguard

// Off tells whether a safeguard was taken away: never.
func Off(string) bool { return false }
