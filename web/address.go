package web

import "net/netip"

// addressKey is what counts as one address: an IPv4 address, or the /64 that
// an IPv6 provider gives to one customer (RFC 6177).
func addressKey(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	addr = addr.Unmap()
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}
