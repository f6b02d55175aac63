// Package manager is the command that runs the reconcilers: its flags, and the options
// of the manager of controller-runtime that follow from them.
package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/controllers"
	"exactmatch.dev/operator/internal/collector"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/policy"
	"exactmatch.dev/operator/internal/simd"
)

// command is the manager as a command: its flags.
type command struct {
	options                  controllers.Options
	metricsAddr, probeAddr   string
	metricsSecure, elect     bool
	electionNamespace        string
	policyFile               string
	certificateSecret        string
	certificateNames         []string
	proxyFromEnvironment     bool
	namespaces               []string
	shutdownTimeout          time.Duration
	transferMemory           int64
	kubeAPIQPS, kubeAPIBurst int
}

// Command is "exactmatch manager".
func Command() *cobra.Command {
	f := command{options: controllers.Defaults()}
	c := &cobra.Command{
		Use: "manager", Short: "Run the controllers", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.Context()) },
	}
	flags := c.Flags()
	flags.StringVar(&f.metricsAddr, "metrics-bind-address", ":8443", `address of the metrics endpoint; "0" turns it off`)
	flags.BoolVar(&f.metricsSecure, "metrics-secure", true, "serve metrics over TLS to authorized callers only")
	flags.StringVar(&f.probeAddr, "health-probe-bind-address", ":8081", `address of /healthz and /readyz; "0" turns them off`)
	flags.BoolVar(&f.elect, "leader-elect", true, "work only while holding the Lease, so that several replicas can run")
	flags.StringVar(&f.electionNamespace, "leader-election-namespace", "", "namespace of the Lease; default: the manager's own")
	flags.StringSliceVar(&f.namespaces, "namespaces", nil, "namespaces to work in, where a Role in each is all that the manager has; needs --cluster-id where it may not read the namespace kube-system; default: all")
	flags.StringVar(&f.options.SourceRoot, "source-root", "", "folder with one folder per namespace that sources of the scheme file may lie in; empty allows none")
	flags.Int64Var(&f.transferMemory, "transfer-memory", f.options.TransferMemory>>20, "memory in MiB for text that is read ahead and for blocks that are being made")
	flags.IntVar(&f.options.TransferParallelism, "transfer-parallelism", f.options.TransferParallelism, "number of tables that are read or uploaded at the same time")
	flags.StringVar(&f.policyFile, "policy-file", "", "file of the administrator's policy, reloaded when it changes; empty permits no private host, no plain HTTP and no use of the manager's own identity")
	flags.StringVar(&f.certificateSecret, "service-certificate-secret", "", "Secret of the manager's own namespace in which it keeps the TLS certificate of the service; the key of its authority is beside it, in a Secret with -authority behind the name; empty keeps none")
	flags.StringSliceVar(&f.certificateNames, "service-dns-names", nil, "DNS names of the service in the certificate of --service-certificate-secret")
	flags.BoolVar(&f.proxyFromEnvironment, "proxy-from-environment", false, "reach services and sources through HTTPS_PROXY and HTTP_PROXY, which then resolve their hosts")
	flags.StringVar(&f.options.Cluster, "cluster-id", "", "name of this cluster at a service that several share; default: the UID of the namespace kube-system")
	flags.StringVar(&f.options.WorkerImage, "worker-image", "", "image of workers in pods, the operator's own; empty allows spec.workers.mode Manager only")
	flags.DurationVar(&f.options.StatusInterval, "status-interval", f.options.StatusInterval, "minimum time between writes of a session's status that differ only in numbers")
	flags.DurationVar(&f.options.PollInterval, "poll-interval", f.options.PollInterval, "interval at which an active remote session is polled")
	flags.DurationVar(&f.options.RequestTimeout, "request-timeout", f.options.RequestTimeout, "timeout of one call to the service")
	flags.IntVar(&f.options.ServiceQPS, "service-qps", f.options.ServiceQPS, "calls per second to one endpoint of an exact data match service")
	flags.IntVar(&f.options.ServiceBurst, "service-burst", f.options.ServiceBurst, "burst of calls to one endpoint of an exact data match service")
	flags.DurationVar(&f.options.FinalizeTimeout, "finalize-timeout", f.options.FinalizeTimeout, "how long a deletion waits for a service that does not answer")
	flags.DurationVar(&f.shutdownTimeout, "shutdown-timeout", 30*time.Second, "how long a shutdown waits for running work")
	flags.IntVar(&f.kubeAPIQPS, "kube-api-qps", 0, "requests per second to the API server; 0 leaves the limit to its priority and fairness")
	flags.IntVar(&f.kubeAPIBurst, "kube-api-burst", 100, "burst of requests to the API server, where --kube-api-qps is not 0")
	return c
}

func (f command) run(ctx context.Context) error {
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
	if f.options.Namespace, err = ownNamespace(); err != nil {
		return err
	}
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
	if err := metrics.Registry.Register(&collector.Collector{Reader: mgr.GetCache(), Elected: mgr.Elected()}); err != nil {
		return err
	}
	if err := f.addKeeper(mgr); err != nil {
		return err
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// check names the first flag whose value cannot be.
func (f command) check() error {
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
	if err := f.checkCertificate(); err != nil {
		return err
	}
	if f.options.SourceRoot == "" {
		return nil
	}
	if info, err := os.Stat(f.options.SourceRoot); err != nil || !info.IsDir() {
		return fmt.Errorf("--source-root %q is not a folder", f.options.SourceRoot)
	}
	return nil
}

func (f command) managerOptions() ctrl.Options {
	o := Options(f.namespaces...)
	o.Metrics = metricsserver.Options{BindAddress: f.metricsAddr, SecureServing: f.metricsSecure}
	if f.metricsSecure {
		o.Metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	o.HealthProbeBindAddress = f.probeAddr
	o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = f.elect, "operator.exactmatch.dev", f.electionNamespace
	o.LeaderElectionReleaseOnCancel, o.GracefulShutdownTimeout = true, &f.shutdownTimeout
	return o
}

// Options are those of a manager of the given namespaces, or of all if none is
// given, that serves nothing and elects no leader.
func Options(namespaces ...string) ctrl.Options {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the types are compiled in
		}
	}
	return ctrl.Options{
		Scheme: scheme, Cache: cacheOptions(namespaces), Metrics: metricsserver.Options{BindAddress: "0"},
		// Secrets and ConfigMaps are read one by one, never listed or kept.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
	}
}

// cacheOptions watch the given namespaces, or all of them if none is given. They
// cache only the Jobs and pods of workers, and no managedFields, which nobody here
// reads and which are a large part of a small object.
func cacheOptions(namespaces []string) cache.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{jobs.ManagedByLabel: jobs.ManagedBy})}
	all := cache.Options{DefaultTransform: cache.TransformStripManagedFields(), ByObject: map[client.Object]cache.ByObject{&batchv1.Job{}: ours, &corev1.Pod{}: ours}}
	for _, namespace := range namespaces {
		if all.DefaultNamespaces == nil {
			all.DefaultNamespaces = map[string]cache.Config{}
		}
		all.DefaultNamespaces[namespace] = cache.Config{}
	}
	return all
}
