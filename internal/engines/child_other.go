//go:build unix && !linux

package engines

import "syscall"

// Without a death signal the engines of a killed test process live on; the
// next start on their directory adopts them.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// alive tells whether pid is a running process; whose it is cannot be told here.
func alive(pid int, _ string) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || err == syscall.EPERM
}
