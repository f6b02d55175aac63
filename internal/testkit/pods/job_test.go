package pods

import "testing"

func TestIndexesAreNamedAsAJobsStatusDoes(t *testing.T) {
	for want, set := range map[string][]bool{
		"":      {},
		"0":     {true},
		"1":     {false, true, false},
		"0,1":   {true, true},
		"0-2,4": {true, true, true, false, true},
		"1,2,5": {false, true, true, false, false, true},
		"0,2-4": {true, false, true, true, true},
	} {
		if got := named(set); got != want {
			t.Errorf("%v is named %q, want %q", set, got, want)
		}
	}
}
