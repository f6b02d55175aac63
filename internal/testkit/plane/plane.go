// Package plane gives tests an API server that knows the project's kinds, whether
// make starts them or an editor does.
package plane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// New is a control plane that is not started yet. It runs the binaries in the
// folder that KUBEBUILDER_ASSETS names or, without it, in bin/k8s of the repository
// that holds the working directory. The error says how to get missing ones.
func New() (*envtest.Environment, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	assets, err := Assets(root)
	if err != nil {
		return nil, err
	}
	return &envtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
	}, nil
}

// Assets is the folder of etcd, kube-apiserver and kubectl for the repository at
// root: the one that KUBEBUILDER_ASSETS names or, without it, bin/k8s.
func Assets(root string) (string, error) {
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if folder == "" {
		folder = filepath.Join(root, "bin", "k8s")
	}
	for _, program := range []string{"etcd", "kube-apiserver", "kubectl"} {
		if _, err := os.Stat(filepath.Join(folder, program)); err != nil {
			return "", fmt.Errorf("run make controlplane, or set KUBEBUILDER_ASSETS to a folder that holds %s: %w", program, err)
		}
	}
	return folder, nil
}

// repository is the nearest folder with a go.mod, from the working directory up:
// go test runs each package in its own folder.
func repository() (string, error) {
	folder, err := os.Getwd()
	for ; err == nil; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("no go.mod in the working directory or above it: run tests within the repository")
		}
	}
	return "", err
}

// Plane is a control plane that a test may start and stop.
type Plane = envtest.Environment

// Kubeconfig is that of a user with these groups at a started control plane.
func Kubeconfig(of *Plane, name string, groups ...string) ([]byte, error) {
	user, err := of.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	if err != nil {
		return nil, err
	}
	return user.KubeConfig()
}
