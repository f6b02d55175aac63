package controllers

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/progress"
)

// setBlocksVerified says whether the storage returned the checksums of the blocks
// that were sent in this attempt. It only advises. What is less sure stays: blocks
// of which nothing was returned are not sent again.
func setBlocksVerified(s *scope, checked progress.Checked) {
	status, reason, message := metav1.ConditionTrue, v1alpha1.ReasonChecksumsCompared, "the storage returned the checksums of all blocks, and they match"
	known := ""
	if c := findCondition(s.status().Conditions, v1alpha1.ConditionBlocksVerified); c != nil {
		known = c.Reason
	}
	switch {
	case checked == progress.Checked{} || known == v1alpha1.ReasonStorageUnverified:
		return
	case checked.Unverified > 0:
		status, reason, message = metav1.ConditionFalse, v1alpha1.ReasonStorageUnverified,
			"the storage returned no checksum for some blocks, so what it stores of them was not compared; use a storage that returns x-ms-content-crc64 or Content-MD5"
	case checked.HeaderRefused:
		reason, message = v1alpha1.ReasonChecksumRefused, "the storage refuses x-ms-content-crc64 with a block; the checksums that it returned match"
	case known == v1alpha1.ReasonChecksumRefused:
		return
	}
	setCondition(s, v1alpha1.ConditionBlocksVerified, status, reason, message)
}
