package dial_test

import "testing"

// Also where the proxy's own address is allowed, the environment's is not used: a
// guard that only refused to dial it would hide that.
func TestAnAllowedProxyIsNotUsedUnasked(t *testing.T) {
	asked := atProxy(t)
	resp, err := plainAnywhere("127.0.0.1").HTTPClient().Get("http://nobody.invalid/")
	if err == nil {
		_ = resp.Body.Close()
	}
	if err == nil || *asked != 0 {
		t.Errorf("%v, and the proxy was asked %d times", err, *asked)
	}
}
