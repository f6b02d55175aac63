package service

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkBeside refuses what metrics and profiles must not be served at.
func (f *command) checkBeside() error {
	if f.pprofListen != "" && !isLoopback(f.pprofListen) {
		return fmt.Errorf("--pprof-listen: %q must be a loopback address, such as 127.0.0.1:6060: profiles show what is in memory; use kubectl port-forward", f.pprofListen)
	}
	switch beyond := f.metricsListen != "" && !isLoopback(f.metricsListen); {
	case f.metricsToken != "" && f.metricsListen == "":
		return errors.New("--metrics-token-file: it needs --metrics-listen")
	case beyond && f.metricsToken == "":
		return errors.New("--metrics-listen: beyond loopback it needs --metrics-token-file: metrics name tenants and callers")
	case beyond && f.tlsCert == "" && !f.plainHTTP:
		return errors.New("--metrics-listen: beyond loopback it needs --tls-cert-file and --tls-key-file, or --allow-plain-http: its token would pass the network unencrypted")
	}
	return nil
}

// isLoopback reports whether only this machine reaches an address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// beside are the servers of metrics and profiles.
type beside []*http.Server

func (b beside) close() {
	for _, s := range b {
		_ = s.Close() // the service ends
	}
}

// listenBeside serves what is asked for beside the calls, each at an address of its own.
func (f *command) listenBeside(ctx context.Context, s *Service) (all beside, err error) {
	if f.metricsListen != "" {
		var config *tls.Config
		if f.pair != nil {
			config = f.pair.config()
		}
		err = all.serve(ctx, f.metricsListen, f.metricsHandler(s), config)
	}
	if f.pprofListen != "" && err == nil {
		err = all.serve(ctx, f.pprofListen, profiles(), nil)
	}
	if err != nil {
		all.close()
	}
	return all, err
}

func (b *beside) serve(ctx context.Context, address string, handler http.Handler, config *tls.Config) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	*b = append(*b, server)
	go func() { _ = server.Serve(listener) }() // it ends with the service
	return nil
}

// metricsHandler serves /metrics to those who have its token.
func (f *command) metricsHandler(s *Service) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if f.metricsToken != "" {
			shown, err := bearerOf(r)
			want, unreadable := readToken(f.metricsToken)
			if unreadable != nil {
				f.config.Log.Error("--metrics-token-file cannot be read", "error", unreadable)
			}
			if err != nil || unreadable != nil || subtle.ConstantTimeCompare([]byte(shown), []byte(want)) != 1 {
				w.Header().Set("WWW-Authenticate", `Bearer realm="exactmatch"`)
				http.Error(w, "the token of --metrics-token-file is needed", http.StatusUnauthorized)
				return
			}
		}
		s.Metrics().ServeHTTP(w, r)
	})
	return mux
}

// Metrics serves the metrics of the service, to anybody.
func (s *Service) Metrics() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// profiles serves what net/http/pprof has.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
