package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"exactmatch.dev/operator/internal/testkit/pods"
)

// node runs the pods of an environment.
type node struct {
	*pods.Runner
	testEnv *testEnv
	claims  string // a folder for each claim
}

func (w *testEnv) node() *node {
	GinkgoHelper()
	claims := GinkgoT().TempDir()
	n := &node{testEnv: w, claims: claims, Runner: pods.New(kube, w.namespace, claims, func(err error) {
		defer GinkgoRecover()
		Expect(err).NotTo(HaveOccurred(), "the cluster's part")
	})}
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.Run(ctx)
	}()
	DeferCleanup(func() {
		stop()
		Eventually(ended).Should(BeClosed(), "the node stops")
	})
	return n
}
