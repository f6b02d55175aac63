package local

import "syscall"

// ownGroup keeps a terminal's interrupt from the child, which is stopped in
// order, and ends it with us however we end.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
