package measure

import (
	"strings"
	"testing"
)

func TestTheMachineIsDescribed(t *testing.T) {
	name, flags := describeCPU("processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nstepping\t: 1\nflags\t\t: fpu sse2 sha_ni avx512f\n\nprocessor\t: 1\nmodel name\t: other\n")
	if name != "AMD EPYC (family 26, model 2, stepping 1)" || strings.Join(flags, " ") != "sha_ni avx512f" {
		t.Errorf("%q %v", name, flags)
	}
}
