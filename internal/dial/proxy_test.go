package dial_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"exactmatch.dev/operator/internal/dial"
)

// atProxy serves as a proxy that everything of the environment names, and counts.
func atProxy(t *testing.T) *int {
	t.Helper()
	asked := new(int)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		*asked++
		_, _ = io.WriteString(w, "by the proxy")
	}))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	return asked
}

func plainAnywhere(allow ...string) dial.Guard {
	return dial.Guard{AllowHosts: allow, PlainHTTP: dial.PlainHTTPAnywhere, Policy: dial.Anything}
}

// A proxy of the environment would resolve the host behind the guard's back.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	asked := atProxy(t)
	for name, client := range map[string]*http.Client{
		"the guard's": plainAnywhere().HTTPClient(), "the process'": (*dial.Proxy)(nil).ProcessClient(),
	} {
		resp, err := client.Get("http://nobody.invalid/")
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil || *asked != 0 {
			t.Errorf("%s client: %v, and the proxy was asked %d times", name, err, *asked)
		}
	}
}

func TestProxyWhereTheFlagSaysSo(t *testing.T) {
	asked := atProxy(t)
	guard := plainAnywhere()
	guard.Proxy = dial.ProxyFromEnvironment()
	for name, client := range map[string]*http.Client{"the guard's": guard.HTTPClient(), "the process'": guard.Proxy.ProcessClient()} {
		before := *asked
		resp, err := client.Get("http://nobody.invalid/")
		if err != nil {
			t.Fatal(name, err)
		}
		_ = resp.Body.Close()
		if *asked != before+1 {
			t.Errorf("%s client asked the proxy %d times", name, *asked-before)
		}
		client.CloseIdleConnections()
	}
}

// What a URL shows is judged before the proxy sees it.
func TestLiteralAddressesAreJudgedBeforeTheProxy(t *testing.T) {
	asked := atProxy(t)
	guard := plainAnywhere()
	guard.Proxy = dial.ProxyFromEnvironment()
	for _, host := range []string{"169.254.169.254", "10.0.0.1", "[fd00::1]", "[::ffff:10.0.0.1]"} {
		resp, err := guard.HTTPClient().Get("http://" + host + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
		if reasonOf(err) != dial.AddressNotAllowed || *asked != 0 {
			t.Errorf("%s: %v, asked %d times", host, err, *asked)
		}
	}
}
