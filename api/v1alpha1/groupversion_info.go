// Package v1alpha1 holds the kinds of the API group exactmatch.dev. SPEC.md is
// their reference for users.
//
// +kubebuilder:object:generate=true
// +groupName=exactmatch.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion of the kinds.
var GroupVersion = schema.GroupVersion{Group: "exactmatch.dev", Version: "v1alpha1"}

// AddToScheme registers the kinds in a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&ExactMatchSession{}, &ExactMatchSessionList{},
		&ExactMatchDataStore{}, &ExactMatchDataStoreList{},
		&ExactMatchUploadAgent{}, &ExactMatchUploadAgentList{},
		&ExactMatchSchedule{}, &ExactMatchScheduleList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
