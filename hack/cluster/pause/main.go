// Command pause holds the namespaces of a pod: it waits for the signal to end
// and reaps what the pod's other processes leave behind.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap takes all children that have ended: several may share one signal.
func reap() {
	for {
		var status syscall.WaitStatus
		if child, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); child <= 0 || err != nil {
			return
		}
	}
}
