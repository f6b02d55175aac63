//go:build e2e

// Package cluster runs the lifecycle in a cluster with nodes, deployed as a user
// deploys it: what only Jobs that run, pods that move and machines that fail can
// prove. hack/e2e/cluster.sh runs it, in the cluster that KUBECONFIG names or in
// one of its own.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

const (
	systemNamespace = "exactmatch-system"
	// folderVariable names the folder of the cluster that hack/cluster made. Without
	// it the cluster is somebody else's, and tests that need its nodes are skipped.
	folderVariable = "EXACTMATCH_CLUSTER"
	rowsVariable   = "E2E_ROWS"
	defaultRows    = 10_000_000
	// ownImage is the image that our own nodes are given.
	ownImage = "exactmatch.dev/operator:e2e"
	// helmVariable names the program that hack/e2e/cluster.sh builds.
	helmVariable = "HELM"
	chartFolder  = "config/chart"
	// tableUser is who runs in the pods; the service's volume is theirs.
	tableUser = 65532
)

var (
	kube   client.Client
	folder = os.Getenv(folderVariable)
	rows   = defaultRows
)

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	if err := os.Chdir("../../.."); err != nil {
		return 1, err
	}
	if text := os.Getenv(rowsVariable); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil || rows < 100_000 {
			return 1, fmt.Errorf("%s must be a number of at least 100000, so that uploads last long enough to be disturbed", rowsVariable)
		}
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return 1, err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return 1, err
	}
	if kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Minute)
	defer stop()
	if err := deploy(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// deploy installs the chart as the README tells a user, and before it, in a cluster of our
// own, does what its administrator would: give the nodes the image and the service a
// volume.
func deploy(ctx context.Context) error {
	image := operatorImage()
	if folder != "" {
		if err := errors.Join(run(ctx, "hack/cluster/cluster.sh", "load", "bin/cluster/operator.tar"), serviceVolume(ctx)); err != nil {
			return err
		}
	}
	if image == "" {
		return errors.New("IMAGE must name the operator's image, which the cluster of KUBECONFIG can get")
	}
	if err := errors.Join(systemNamespaceIsThere(ctx), helm(ctx, chartFolder, image)); err != nil {
		return err
	}
	return ready(ctx)
}

// operatorImage is the image of the operator: our own nodes are given it.
func operatorImage() string {
	if folder != "" {
		return ownImage
	}
	return os.Getenv("IMAGE")
}

// ready waits for the manager and the service.
func ready(ctx context.Context) error {
	for _, workload := range []string{"deployment/exactmatch-manager", "statefulset/exactmatch-service"} {
		if err := run(ctx, "kubectl", "-n", systemNamespace, "rollout", "status", "--timeout=4m", workload); err != nil {
			return errors.Join(err, run(ctx, "kubectl", "-n", systemNamespace, "describe", "pods"))
		}
	}
	return nil
}

// systemNamespaceIsThere makes the namespace, as the README tells a user to.
func systemNamespaceIsThere(ctx context.Context) error {
	return client.IgnoreAlreadyExists(kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: systemNamespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}))
}

// helm installs or upgrades the release from a chart, with further flags.
func helm(ctx context.Context, chart, image string, flags ...string) error {
	program := os.Getenv(helmVariable)
	if program == "" {
		return fmt.Errorf("%s must name the program helm: run hack/e2e/cluster.sh", helmVariable)
	}
	colon := strings.LastIndex(image, ":")
	if colon < 0 {
		return fmt.Errorf("the image %s has no tag", image)
	}
	return run(ctx, program, append([]string{"upgrade", "exactmatch", chart, "--install", "--namespace", systemNamespace,
		"--set", "image.repository=" + image[:colon], "--set", "image.tag=" + image[colon+1:], "--wait", "--timeout", "5m"}, flags...)...)
}

// serviceVolume makes what the claim of the service's StatefulSet binds to, on
// the node that stays up.
func serviceVolume(ctx context.Context) error {
	path := filepath.Join(folder, "volumes", "service")
	if err := errors.Join(os.MkdirAll(path, 0o700), os.Chown(path, tableUser, tableUser)); err != nil {
		return err
	}
	volume := hostVolume("exactmatch-service", path, corev1.ReadWriteOnce)
	volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: systemNamespace, Name: "data-exactmatch-service-0"}
	volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{"node1"}}},
	}}}}
	return kube.Create(ctx, volume)
}

// run runs a command whose output is shown.
func run(ctx context.Context, name string, args ...string) error {
	fmt.Println("$", name, strings.Join(args, " "))
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}
