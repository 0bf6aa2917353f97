//go:build !linux

package crowd

import (
	"net/netip"
	"syscall"
)

func sharePorts(syscall.RawConn) {}

// loopback: other systems have one address configured.
func loopback(int) netip.Addr { return netip.Addr{} }
