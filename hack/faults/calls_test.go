package faults_test

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

// call is one request that reached the proxy, with its body read.
type call struct {
	*http.Request
	body   []byte
	came   time.Time
	deaths int // of managers, when it came
}

var sessionPath = regexp.MustCompile(`/sessions(/[^/]+)?(/[a-zA-Z]+)?$`)

var storePath = regexp.MustCompile(`/exactMatchDataStores/[^/]+$`)

func (c *call) isSession() bool { return sessionPath.MatchString(c.URL.Path) }
func (c *call) isBlob() bool    { return strings.HasPrefix(c.URL.Path, "/upload/") }
func (c *call) isSource() bool  { return strings.HasPrefix(c.URL.Path, "/source/") }
func (c *call) isCommit() bool  { return c.isSession() && strings.HasSuffix(c.URL.Path, "/commit") }
func (c *call) isBlock() bool {
	return c.isBlob() && c.Method == http.MethodPut && c.URL.Query().Get("comp") == "block"
}
func (c *call) isSeal() bool {
	return c.isBlob() && c.Method == http.MethodPut && c.URL.Query().Get("comp") == "blocklist"
}
func (c *call) block() string {
	return strings.TrimPrefix(c.URL.Path, "/upload/") + "/" + c.URL.Query().Get("blockid")
}
func (c *call) sessionID() string {
	found := sessionPath.FindStringSubmatch(c.URL.Path)
	if found == nil {
		return ""
	}
	return strings.TrimPrefix(found[1], "/")
}
