package cluster

import "syscall"

// ownGroup keeps the terminal's Ctrl-C away from a process: the house ends in
// its own order. A process that dies with us is killed by the kernel when this
// process does.
func ownGroup(diesWithUs bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if diesWithUs {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}
