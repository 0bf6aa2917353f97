package web

import (
	"net/netip"

	"github.com/gin-gonic/gin"
)

// address is where a request comes from: the peer's, or what a proxy that is
// trusted says. It is the zero Addr for a peer without one, as on a Unix socket.
func (s *Server) address(c *gin.Context) netip.Addr {
	if !s.proxied { // gin's way looks for headers, which costs a join a microsecond
		peer, _ := netip.ParseAddrPort(c.Request.RemoteAddr)
		return peer.Addr()
	}
	address, _ := netip.ParseAddr(c.ClientIP())
	return address
}

// addressKey is what counts as one address: an IPv4 address, or the /64 that
// an IPv6 provider gives to one customer (RFC 6177).
func addressKey(address netip.Addr) string {
	address = address.Unmap()
	if address.Is6() {
		if prefix, err := address.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return address.String()
}
