package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/fsys"
)

// command is the service as a command: its flags.
type command struct {
	config            Config
	listen, tokenFile string
	callers           authn.Files
	tlsCert, tlsKey   string
	plainHTTP         bool
	pair              *certificate // of both, nil for plain HTTP
	metricsListen     string
	metricsToken      string
	pprofListen       string
	uploadMemory      int64 // MiB
	indexMemory       int64 // MiB
	uploadRate        int64 // KiB a second
	maxDisk, minFree  int64 // GiB, MiB
	maxTenantDisk     int64 // GiB
}

// Command is "exactmatch service".
func Command() *cobra.Command {
	var f command
	c := &cobra.Command{
		Use: "service", Short: "Run the self-hosted exact data match service", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.Context()) },
	}
	flags := c.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8765", "address to serve at")
	flags.StringVar(&f.config.Dir, "data-dir", "data", "folder of everything that the service keeps")
	flags.StringVar(&f.tokenFile, "bearer-token-file", "", "file with a token whose bearer may do everything; read at each call. One of this, --authentication-config and --static-token-file is required")
	flags.StringVar(&f.callers.Configuration, "authentication-config", "", "file of the issuers whose tokens are accepted: Kubernetes and OIDC; read again when it changes")
	flags.StringVar(&f.callers.StaticTokens, "static-token-file", "", "file of tokens, or their SHA-256, with a name each; read again when it changes")
	flags.StringVar(&f.callers.Policy, "policy-file", "", "file of the rules that give callers a tenant and roles; read again when it changes, and the last good one applies while it is bad")
	flags.StringVar(&f.config.PublicURL, "public-url", "", "base of upload URIs; default: what a request was sent to")
	flags.IntVar(&f.config.MaxCommits, "max-commits-per-day", 0, "commits of one data store in 24 hours, of which Microsoft allows 5; 0 for any number")
	flags.DurationVar(&f.config.SessionTTL, "session-ttl", 7*24*time.Hour, "life of an unfinished session")
	flags.DurationVar(&f.config.UploadURITTL, "upload-uri-ttl", 4*time.Hour, "life of an upload URI")
	flags.IntVar(&f.config.Jobs, "index-jobs", 1, "sessions that are indexed at once")
	flags.Int64Var(&f.indexMemory, "index-memory", 256, "budget of all indexing, in MiB: with less of it tables are read more often")
	flags.DurationVar(&f.config.RollbackRetention, "rollback-retention", 7*24*time.Hour, "how long the table before the live one of a data store is kept, to be made live again; 0 keeps none")
	flags.Int64Var(&f.uploadMemory, "upload-memory", 256, "budget of the blocks that are received at once, in MiB; more wait")
	flags.Int64Var(&f.uploadRate, "min-upload-rate", 64, "least average rate of an upload's body after 10 seconds, in KiB a second; a slower one is dropped")
	flags.IntVar(&f.config.MaxUnauthenticated, "max-unauthenticated", 256, "connections that have not shown a valid token or signature; one more closes the oldest")
	flags.IntVar(&f.config.MaxDataStores, "max-data-stores", 10_000, "data stores that a tenant may have")
	flags.IntVar(&f.config.MaxUploadAgents, "max-upload-agents", 10_000, "upload agents that a tenant may have")
	flags.Int64Var(&f.maxDisk, "max-disk", 256, "what tables and blocks may take, in GiB; a block that is staged counts twice, for itself and its place in the indexes")
	flags.Int64Var(&f.maxTenantDisk, "max-tenant-disk", 0, "what tables and blocks of one tenant may take beside --max-disk, in GiB, counted alike; 0 for no bound of its own")
	flags.Int64Var(&f.minFree, "min-free-disk", 64, "what must be free on the disk for the service to be ready, in MiB; blocks are refused below twice as much")
	flags.StringVar(&f.tlsCert, "tls-cert-file", "", "certificate chain in PEM, loaded again when it changes; needs --tls-key-file")
	flags.StringVar(&f.tlsKey, "tls-key-file", "", "key of the certificate in PEM")
	flags.BoolVar(&f.plainHTTP, "allow-plain-http", false, "serve without TLS at other than loopback addresses")
	flags.IntVar(&f.config.MaxQuestions, "max-questions-per-minute", 1_000_000, "questions of lookup and match of one caller with a tenant; a batch counts as many as it has")
	flags.IntVar(&f.config.MaxTenantQuestions, "max-tenant-questions-per-minute", 4_000_000, "the same of all callers of a tenant")
	flags.IntVar(&f.config.MaxCalls, "max-calls-per-second", 500, "calls of one caller; those beyond wait up to a second for their turn; 0 is any number")
	flags.StringVar(&f.metricsListen, "metrics-listen", "", "address of Prometheus metrics at /metrics; none without it. Beyond loopback it needs --metrics-token-file, for metrics name tenants and callers, and is served by the certificate of --tls-cert-file")
	flags.StringVar(&f.metricsToken, "metrics-token-file", "", "file with the bearer token that /metrics wants; read at each call")
	flags.StringVar(&f.pprofListen, "pprof-listen", "", "loopback address of profiles at /debug/pprof; none without it")
	c.AddCommand(checkCommand(), migrateCommand(), assignCommand(), tenantCommand(), backupCommand(), restoreCommand())
	return c
}

func checkCommand() *cobra.Command {
	k := &folder.Check{FS: fsys.OS{}, Now: time.Now}
	c := &cobra.Command{
		Use: "check", Short: "Check whether the data folder of a stopped service is consistent", Args: cobra.NoArgs,
		Long: "Check looks at the data folder of a service that is stopped: its database, and whether the identity, the tables and\n" +
			"the blocks beside it are the same folder's. It changes nothing unless a flag says so, and deletes nothing.",
		RunE: func(c *cobra.Command, _ []string) error {
			k.Out, k.Log = c.OutOrStdout(), slog.Default()
			return k.Run(c.Context())
		},
	}
	flags := c.Flags()
	flags.StringVar(&k.Dir, "data-dir", "data", "folder of everything that the service keeps")
	flags.BoolVar(&k.Move, "move-unknown", false, "move tables and blocks that no record names to lost+found in the data folder")
	flags.BoolVar(&k.Adopt, "adopt-database", false, "take the database for the folder's own although it is older or another one: what happened since its copy was made is lost")
	return c
}

// check names the first flag whose value cannot be.
func (f *command) check() error {
	switch {
	case f.tokenFile == "" && f.callers.Configuration == "" && f.callers.StaticTokens == "":
		return errors.New("give one of --bearer-token-file, --authentication-config and --static-token-file at least")
	case f.callers.Policy != "" && f.callers.Configuration == "" && f.callers.StaticTokens == "":
		return errors.New("--policy-file: it needs --authentication-config or --static-token-file")
	case f.config.MaxQuestions < leastQuestions || f.config.MaxTenantQuestions < leastQuestions:
		return fmt.Errorf("--max-questions-per-minute and --max-tenant-questions-per-minute must be at least %d, the largest batch", leastQuestions)
	case f.config.MaxCalls < 0:
		return errors.New("--max-calls-per-second must be 0, for any number, or more")
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return errors.New("--tls-cert-file and --tls-key-file go together")
	case f.tlsCert != "" && f.plainHTTP:
		return errors.New("--allow-plain-http does not go with --tls-cert-file: give one of them")
	case f.config.MaxCommits < 0:
		return errors.New("--max-commits-per-day must be 0, for any number, or more")
	case f.config.Jobs < 1 || f.config.SessionTTL <= 0 || f.config.UploadURITTL <= 0:
		return errors.New("--index-jobs, --session-ttl and --upload-uri-ttl must be more than 0")
	case f.uploadMemory < 1:
		return errors.New("--upload-memory must be at least 1 MiB")
	case f.indexMemory < leastIndexMemory:
		return fmt.Errorf("--index-memory must be at least %d MiB", leastIndexMemory)
	case f.config.RollbackRetention < 0:
		return errors.New("--rollback-retention must not be below 0")
	case f.uploadRate < 1 || f.maxDisk < 1 || f.minFree < 1:
		return errors.New("--min-upload-rate, --max-disk and --min-free-disk must be at least 1")
	case f.maxTenantDisk < 0:
		return errors.New("--max-tenant-disk must be 0, for no bound of its own, or more")
	case f.config.MaxUnauthenticated < 1 || f.config.MaxDataStores < 1 || f.config.MaxUploadAgents < 1:
		return errors.New("--max-unauthenticated, --max-data-stores and --max-upload-agents must be at least 1")
	case f.tlsCert == "" && !f.plainHTTP:
		if err := checkPlainHTTP(f.listen); err != nil {
			return err
		}
	}
	return f.checkBeside()
}

func (f *command) run(ctx context.Context) error {
	if err := f.check(); err != nil {
		return err
	}
	f.config.UploadMemory, f.config.MinUploadRate, f.config.IndexMemory = f.uploadMemory<<20, f.uploadRate<<10, f.indexMemory<<20
	f.config.MaxDisk, f.config.MaxTenantDisk, f.config.MinFreeDisk = f.maxDisk<<30, f.maxTenantDisk<<30, f.minFree<<20
	f.config.Log = slog.Default()
	if err := f.authenticate(); err != nil {
		return err
	}
	if err := f.certify(); err != nil {
		return err
	}
	s, err := New(f.config)
	if err != nil {
		return err
	}
	beside, err := f.listenBeside(ctx, s)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	defer beside.close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	slog.Info("serving", "address", listener.Addr().String())
	return errors.Join(f.serve(ctx, s, listener), s.Close())
}

// authenticate opens what tells who calls.
func (f *command) authenticate() (err error) {
	if f.tokenFile != "" {
		f.config.Token = func() (string, error) { return readToken(f.tokenFile) }
		if _, err := f.config.Token(); err != nil {
			return fmt.Errorf("--bearer-token-file: %w", err)
		}
	}
	if f.metricsToken != "" {
		if _, err := readToken(f.metricsToken); err != nil {
			return fmt.Errorf("--metrics-token-file: %w", err)
		}
	}
	if f.callers.Configuration == "" && f.callers.StaticTokens == "" {
		return nil
	}
	f.callers.Log = f.config.Log
	f.config.Callers, err = authn.Open(f.callers)
	return err
}

// certify opens the certificate.
func (f *command) certify() (err error) {
	if f.tlsCert == "" {
		return nil
	}
	if f.pair, err = openCertificate(f.tlsCert, f.tlsKey, f.config.Log); err != nil {
		return err
	}
	f.config.Certificate = func() time.Time { return f.pair.current().Leaf.NotAfter }
	return nil
}

// serve answers and works until ctx ends or the server fails.
func (f *command) serve(ctx context.Context, s *Service, listener net.Listener) error {
	server, failed := s.Server(), make(chan error, 1)
	if f.pair != nil {
		server.TLSConfig = f.pair.config()
	}
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	work, stop := context.WithCancel(ctx)
	defer stop()
	idle := make(chan error, 1)
	go func() { idle <- s.Run(work) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		last, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		err = server.Shutdown(last)
	}
	stop()
	return errors.Join(err, <-idle)
}

func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return token, nil
}
