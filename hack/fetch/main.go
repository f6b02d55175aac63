// Command fetch brings the prebuilt etcd, kube-apiserver and kubectl of one
// Kubernetes version into a folder: those of setup-envtest's index, checked by the
// checksum that the index names. It exits with 1 where they cannot be had, which
// leaves building them, and then has installed nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/controller-runtime/tools/setup-envtest/remote"
	"sigs.k8s.io/controller-runtime/tools/setup-envtest/versions"
)

// Exit statuses; signals have the shell's.
const (
	installed   = 0
	unavailable = 1
	misused     = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status := run(ctx, os.Args[1:], os.Stderr)
	if ctx.Err() != nil {
		status = 128 + int(syscall.SIGINT)
	}
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, out io.Writer) int {
	f := fetcher{out: out}
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&f.index, "index", remote.DefaultIndexURL, "URL of the index, in the form of setup-envtest's")
	flags.StringVar(&f.folder, "folder", "bin/k8s", "where the programs are installed")
	flags.StringVar(&f.platform.OS, "os", runtime.GOOS, "operating system that they run on")
	flags.StringVar(&f.platform.Arch, "arch", runtime.GOARCH, "architecture that they run on")
	flags.DurationVar(&f.stall, "stall-timeout", 20*time.Second, "how long nothing may arrive")
	flags.DurationVar(&f.progress, "progress", 3*time.Second, "time between two lines that say how much has arrived")
	flags.DurationVar(&f.limit, "timeout", 3*time.Minute, "how long all of it may take")
	if err := flags.Parse(args); err != nil {
		return misused
	}
	spec, err := versions.FromExpr(strings.TrimPrefix(flags.Arg(0), "v"))
	if err != nil || spec.AsConcrete() == nil || flags.NArg() != 1 {
		_, _ = fmt.Fprintf(out, "fetch: the one argument must be a version of Kubernetes like v1.37.2, not %q\n", flags.Args())
		return misused
	}
	f.version = *spec.AsConcrete()
	if err := f.fetch(ctx); err != nil {
		f.explain(err)
		return unavailable
	}
	return installed
}

// explain says in one line why nothing was installed, and loudly where it looks
// like an attack.
func (f *fetcher) explain(err error) {
	if errors.Is(err, errChecksum) {
		f.say("WARNING: the archive of v%s DOES NOT HAVE ITS CHECKSUM and was thrown away: %v", f.version, err)
		return
	}
	f.say("Cannot fetch the programs of Kubernetes v%s: %v", f.version, err)
}

func (f *fetcher) say(format string, args ...any) {
	_, _ = fmt.Fprintf(f.out, format+"\n", args...)
}
