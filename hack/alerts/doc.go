// Package alerts holds what watches the programs against what they show: its tests read
// the alerts and the dashboard as Prometheus does, compare every metric, label and value
// in them with SPEC.md and API.md (which tests of the programs hold against what these
// expose), and have promtool try when each alert fires.
//
// It is a module of its own: Prometheus brings its own versions of the clients of
// Kubernetes and of the clouds.
package alerts
