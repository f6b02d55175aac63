package manager

import "testing"

func TestManagerWatchesTheNamespacesOfItsFlag(t *testing.T) {
	if watched := (command{}).managerOptions().Cache.DefaultNamespaces; watched != nil {
		t.Errorf("without the flag it watches only %v", watched)
	}
	watched := command{namespaces: []string{"team-a", "team-b"}}.managerOptions().Cache.DefaultNamespaces
	if _, a := watched["team-a"]; !a || len(watched) != 2 {
		t.Errorf("it watches %v", watched)
	}
}
