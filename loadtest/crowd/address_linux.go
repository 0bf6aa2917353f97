package crowd

import (
	"net/netip"
	"syscall"
)

// bindNoPort is IP_BIND_ADDRESS_NO_PORT: the port is chosen on connecting, so
// that one address may use a port towards several servers.
const bindNoPort = 24

func sharePorts(raw syscall.RawConn) {
	raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindNoPort, 1) })
}

// loopback is the n-th address of 127.0.0.0/8 from 127.0.1.1 on; Linux answers
// for all of them.
func loopback(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(n / 62500 % 250), byte(n/250%250) + 1, byte(n%250) + 1})
}
