package main

import (
	"testing"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor/jobs"
)

func TestPodsAreToldWhatJobsTellThem(t *testing.T) {
	if want := (jobs.Builder{}).Memory(); podMemory != want {
		t.Errorf("a pod has %d bytes, want %d", podMemory, want)
	}
	for _, parallelism := range podCounts {
		b := jobs.Builder{Workers: v1alpha1.Workers{Parallelism: int32(parallelism)}}
		for _, stripes := range []int{1, 2, 5, 100} {
			pods := podsOf(parallelism, stripes)
			if want := b.Pods(stripes); pods != want {
				t.Errorf("parallelism %d, %d stripes: %d pods, want %d", parallelism, stripes, pods, want)
			}
			if got, want := perPod(parallelism, pods), b.ParallelismPerPod(pods); got != want {
				t.Errorf("parallelism %d, %d pods: %d at once in each, want %d", parallelism, pods, got, want)
			}
		}
	}
}
