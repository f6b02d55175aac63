package controllers_test

import (
	"context"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/controllers"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit/plane"
)

const bearer = "the token of the suite"

var (
	kube       client.Client
	seen       client.Reader // what the manager has seen of the objects
	front      *gate         // stands before the service
	endpoint   string
	edmService *rest.Client // speaks to the service past the gate's faults
	sourceRoot string

	managerLines = &managerLog{}
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	SetDefaultConsistentlyDuration(400 * time.Millisecond)
	SetDefaultConsistentlyPollingInterval(20 * time.Millisecond)
	RunSpecs(t, "Controllers")
}

var _ = BeforeSuite(func() {
	ctrl.SetLogger(managerLines.logger())
	sourceRoot = GinkgoT().TempDir()
	startService()

	environment, err := plane.New()
	Expect(err).NotTo(HaveOccurred())
	config, err := environment.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(environment.Stop)

	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	kube, err = client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	config.QPS = -1 // the suite waits on nothing but the reconcilers
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	Expect(err).NotTo(HaveOccurred())
	seen = mgr.GetClient()
	ctx, stop := context.WithCancel(context.Background())
	Expect(controllers.Add(ctx, mgr, controllers.Options{
		Policy: openPolicy(), Namespace: ownNamespace,
		SourceRoot: sourceRoot, WorkerImage: "exactmatch.dev/operator:test", TransferMemory: 64 << 20, TransferParallelism: 4, Instance: "the-suite", ServiceQPS: 10_000, ServiceBurst: 10_000,
		StatusInterval: 50 * time.Millisecond, PollInterval: 30 * time.Millisecond, RequestTimeout: 2 * time.Second,
		QueueInterval: 15 * time.Second, AgentInterval: time.Minute, // so long that a spec notices what nothing wakes
		ResyncInterval: 300 * time.Millisecond, ScheduleNow: scheduleClock.Now,
		RepairInterval: 100 * time.Millisecond, DependencyGrace: time.Second, FinalizeTimeout: time.Second,
	})).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	DeferCleanup(func() {
		stop()
		Eventually(ended, "30s").Should(Receive(BeNil()), "the manager stops in order")
	})
})

// startService runs the self-hosted service behind the gate.
func startService() {
	dir, err := os.MkdirTemp(GinkgoT().TempDir(), "service")
	Expect(err).NotTo(HaveOccurred())
	s, err := service.New(service.Config{Dir: dir, Token: func() (string, error) { return bearer, nil }, MaxCommits: 4, RollbackRetention: time.Hour})
	Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	front = &gate{service: s}
	server := httptest.NewServer(front)
	direct := httptest.NewServer(s)
	endpoint = server.URL + "/beta"
	edmService, err = rest.New(rest.Options{Endpoint: direct.URL + "/beta", Token: rest.StaticToken(bearer), Pace: rest.Unpaced()})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		front.open()
		server.CloseClientConnections()
		server.Close()
		direct.Close()
		stop()
		Expect(<-ended).To(Succeed())
		Expect(s.Close()).To(Succeed())
	})
}
