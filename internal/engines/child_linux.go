package engines

import (
	"os"
	"strconv"
	"syscall"
)

func setDeathSignal(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// alive tells whether pid is a running process whose working directory is dir.
// Both engines change into their data directory, which tells them from a
// stranger that was given the same pid.
func alive(pid int, dir string) bool {
	cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
	return err == nil && cwd == dir
}
