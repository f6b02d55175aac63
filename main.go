// Command exactmatch is the operator and what comes with it, one binary and one
// image: manager, service, upload and lookup.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/controllers"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/executor/worker"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/simd"
	"exactmatch.dev/operator/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c, err := root().ExecuteContextC(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "exactmatch:", err)
		stop()
		os.Exit(exitCode(c, err)) //nolint:gocritic // stop was called
	}
}

// exitCode is 1 for an error, but of lookup, whose exit code is an answer.
func exitCode(c *cobra.Command, err error) int {
	if c.Name() == lookup.Name {
		return lookup.ExitCode(err)
	}
	return 1
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use: "exactmatch", Short: "Exact data match sessions as Kubernetes objects",
		SilenceErrors: true, SilenceUsage: true, Version: version.Text(),
	}
	c.SetVersionTemplate("{{.Version}}")
	var level string
	c.PersistentFlags().StringVar(&level, "log-level", "info", "lowest level of the JSON log on stderr: debug, info, warn or error")
	c.PersistentPreRunE = func(*cobra.Command, []string) error { return startLog(level) }
	c.AddCommand(managerCommand(), service.Command(), worker.Command(), lookup.Command(), version.Command())
	return c
}

// startLog sends this program's and the libraries' logs to stderr as JSON.
func startLog(level string) error {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: least})
	slog.SetDefault(slog.New(handler))
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	return nil
}

// managerFlags are the flags of the manager command.
type managerFlags struct {
	options                  controllers.Options
	metricsAddr, probeAddr   string
	metricsSecure, elect     bool
	electionNamespace        string
	policyFile               string
	proxyFromEnvironment     bool
	namespaces               []string
	shutdownTimeout          time.Duration
	transferMemory           int64
	kubeAPIQPS, kubeAPIBurst int
}

func managerCommand() *cobra.Command {
	var f managerFlags
	c := &cobra.Command{
		Use: "manager", Short: "Run the controllers", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runManager(c.Context(), f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.metricsAddr, "metrics-bind-address", ":8443", `address of the metrics endpoint; "0" turns it off`)
	flags.BoolVar(&f.metricsSecure, "metrics-secure", true, "serve metrics over TLS to authorized callers only")
	flags.StringVar(&f.probeAddr, "health-probe-bind-address", ":8081", `address of /healthz and /readyz; "0" turns them off`)
	flags.BoolVar(&f.elect, "leader-elect", true, "work only while holding the Lease, so that several replicas can run")
	flags.StringVar(&f.electionNamespace, "leader-election-namespace", "", "namespace of the Lease; default: the manager's own")
	flags.StringSliceVar(&f.namespaces, "namespaces", nil, "namespaces to work in, where a Role in each is all that the manager has; needs --cluster-id where it may not read the namespace kube-system; default: all")
	flags.StringVar(&f.options.SourceRoot, "source-root", "", "folder with one folder per namespace that sources of the scheme file may lie in; empty allows none")
	flags.Int64Var(&f.transferMemory, "transfer-memory", 256, "memory in MiB for text that is read ahead and for blocks that are being made")
	flags.IntVar(&f.options.TransferParallelism, "transfer-parallelism", 4, "number of tables that are read or uploaded at the same time")
	flags.StringVar(&f.policyFile, "policy-file", "", "file of the administrator's policy, reloaded when it changes; empty permits no private host, no plain HTTP and no use of the manager's own identity")
	flags.BoolVar(&f.proxyFromEnvironment, "proxy-from-environment", false, "reach services and sources through HTTPS_PROXY and HTTP_PROXY, which then resolve their hosts")
	flags.StringVar(&f.options.Cluster, "cluster-id", "", "name of this cluster at a service that several share; default: the UID of the namespace kube-system")
	flags.StringVar(&f.options.WorkerImage, "worker-image", "", "image of workers in pods, the operator's own; empty allows spec.workers.mode Manager only")
	flags.DurationVar(&f.options.StatusInterval, "status-interval", 10*time.Second, "minimum time between writes of a session's status that differ only in numbers")
	flags.DurationVar(&f.options.PollInterval, "poll-interval", 10*time.Second, "interval at which an active remote session is polled")
	flags.DurationVar(&f.options.RequestTimeout, "request-timeout", 30*time.Second, "timeout of one call to the service")
	flags.IntVar(&f.options.ServiceQPS, "service-qps", 100, "calls per second to one endpoint of an exact data match service")
	flags.IntVar(&f.options.ServiceBurst, "service-burst", 200, "burst of calls to one endpoint of an exact data match service")
	flags.DurationVar(&f.options.FinalizeTimeout, "finalize-timeout", 10*time.Minute, "how long a deletion waits for a service that does not answer")
	flags.DurationVar(&f.shutdownTimeout, "shutdown-timeout", 30*time.Second, "how long a shutdown waits for running work")
	flags.IntVar(&f.kubeAPIQPS, "kube-api-qps", 0, "requests per second to the API server; 0 leaves the limit to its priority and fairness")
	flags.IntVar(&f.kubeAPIBurst, "kube-api-burst", 100, "burst of requests to the API server, where --kube-api-qps is not 0")
	return c
}

func runManager(ctx context.Context, f managerFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := fingerprint.SelfTest(); err != nil {
		return err
	}
	slog.Info("hashing", "path", simd.Path())
	permitted, err := policy.Open(f.policyFile, slog.Default(), controllers.PolicyReloaded)
	if err != nil {
		return err
	}
	f.options.Policy = permitted
	if f.proxyFromEnvironment {
		f.options.Proxy = dial.ProxyFromEnvironment()
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster (is KUBECONFIG set?): %w", err)
	}
	if f.kubeAPIQPS > 0 { // controller-runtime's own default is no limit
		config.QPS, config.Burst = float32(f.kubeAPIQPS), f.kubeAPIBurst
	}
	mgr, err := ctrl.NewManager(config, f.managerOptions())
	if err != nil {
		return err
	}
	f.options.TransferMemory = f.transferMemory << 20
	f.options.Instance = uuid.NewString()
	if err := controllers.Add(ctx, mgr, f.options); meta.IsNoMatchError(err) {
		return fmt.Errorf("apply config/crd/bases first: %w", err)
	} else if err != nil {
		return err
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// check names the first flag whose value cannot be.
func (f managerFlags) check() error {
	switch {
	case f.transferMemory < 1:
		return errors.New("--transfer-memory must be at least 1 MiB")
	case f.options.TransferParallelism < 1:
		return errors.New("--transfer-parallelism must be at least 1")
	case f.options.ServiceQPS < 1 || f.options.ServiceBurst < 1:
		return errors.New("--service-qps and --service-burst must be at least 1")
	case f.kubeAPIQPS < 0 || f.kubeAPIBurst < 1:
		return errors.New("--kube-api-qps must be at least 0, and --kube-api-burst at least 1")
	case f.options.StatusInterval <= 0 || f.options.PollInterval <= 0 || f.options.RequestTimeout <= 0 || f.options.FinalizeTimeout <= 0:
		return errors.New("--status-interval, --poll-interval, --request-timeout and --finalize-timeout must be more than 0")
	}
	for _, namespace := range f.namespaces {
		if wrong := validation.IsDNS1123Label(namespace); wrong != nil {
			return fmt.Errorf("--namespaces: %q is not a name of a namespace: %s", namespace, strings.Join(wrong, "; "))
		}
	}
	if f.options.SourceRoot == "" {
		return nil
	}
	if info, err := os.Stat(f.options.SourceRoot); err != nil || !info.IsDir() {
		return fmt.Errorf("--source-root %q is not a folder", f.options.SourceRoot)
	}
	return nil
}

func (f managerFlags) managerOptions() ctrl.Options {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the types are compiled in
		}
	}
	metrics := metricsserver.Options{BindAddress: f.metricsAddr, SecureServing: f.metricsSecure}
	if f.metricsSecure {
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return ctrl.Options{
		Scheme: scheme, Cache: controllers.CacheOptions(f.namespaces...), Metrics: metrics, HealthProbeBindAddress: f.probeAddr,
		LeaderElection: f.elect, LeaderElectionID: "operator.exactmatch.dev",
		LeaderElectionNamespace: f.electionNamespace, LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout: &f.shutdownTimeout,
		// Secrets and ConfigMaps are read one by one, never listed or kept.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
	}
}
