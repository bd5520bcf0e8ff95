package nats

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/config"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/secret"
)

// Config is one entry of collectors.transactions.sources of the kind nats. Lay it over [Default].
type Config struct {
	Name            string            `yaml:"name"`     // of the source, for the log
	Kind            string            `yaml:"kind"`     // nats
	Servers         []string          `yaml:"servers"`  // nats://host:4222 or tls://host:4222, without user and password
	Stream          string            `yaml:"stream"`   // which must be there
	Durable         string            `yaml:"durable"`  // the consumer, made if it is not there
	Subjects        []string          `yaml:"subjects"` // which of the stream's; empty: all
	Format          string            `yaml:"format"`   // of a message: ndjson, iso20022, nacha, fix, iso8583
	MaxInFlight     int               `yaml:"max_in_flight"`
	AckWait         time.Duration     `yaml:"ack_wait"` // after which the server sends a message again
	Username        string            `yaml:"username"`
	Password        secret.String     `yaml:"password"`
	PasswordFile    string            `yaml:"password_file"`    // read again at each login
	CredentialsFile string            `yaml:"credentials_file"` // a NATS credentials file, in place of user and password
	TLS             *config.TLSConfig `yaml:"tls_config"`       // as in Prometheus
}

// Default gives the defaults.
func Default() Config {
	return Config{Kind: "nats", Durable: "assayer", Format: "ndjson", MaxInFlight: 1000, AckWait: 30 * time.Second}
}

// Validate returns every problem, as a [problem.List] with paths relative to the section.
func (c Config) Validate() error {
	var l problem.List
	wrong := func(path, message, got, allowed string) {
		l = append(l, problem.Problem{Path: path, Message: message, Got: got, Allowed: allowed})
	}
	needed := map[string]string{"name": c.Name, "stream": c.Stream, "durable": c.Durable, "format": c.Format}
	for _, key := range slices.Sorted(maps.Keys(needed)) {
		if needed[key] == "" {
			wrong(key, problem.NoValue, "", "text")
		}
	}
	if c.Kind != "nats" {
		wrong("kind", "", c.Kind, "nats")
	}
	if len(c.Servers) == 0 || len(c.Servers) > 100 {
		wrong("servers", "", fmt.Sprint(len(c.Servers), " servers"), "1 to 100")
	}
	for i, server := range c.Servers {
		// What was written is not repeated: it may hold a password.
		u, err := url.Parse(server)
		if err != nil || u.User != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			wrong(fmt.Sprintf("servers[%d]", i), "is not the address of a server, or holds a user", "", "nats://host:4222 or tls://host:4222")
		}
	}
	if c.MaxInFlight < 1 || c.MaxInFlight > 100_000 {
		wrong("max_in_flight", "", fmt.Sprint(c.MaxInFlight), "1 to 100000")
	}
	if c.AckWait < time.Second || c.AckWait > time.Hour {
		wrong("ack_wait", "", c.AckWait.String(), "1s to 1h0m0s")
	}
	passwords := 0
	for _, set := range []bool{!c.Password.IsZero(), c.PasswordFile != ""} {
		if set {
			passwords++
		}
	}
	switch {
	case c.CredentialsFile != "" && (c.Username != "" || passwords > 0):
		wrong("credentials_file", "is set beside a user", "", "one of the two")
	case c.Username == "" && passwords > 0, c.Username != "" && passwords != 1:
		wrong("username", "", "", "username with password or password_file, or none of them")
	}
	if c.TLS != nil {
		if err := c.TLS.Validate(); err != nil {
			wrong("tls_config", err.Error(), "", "")
		}
	}
	return l.Err()
}

// SetDirectory makes relative paths relative to dir.
func (c *Config) SetDirectory(dir string) {
	if c.TLS != nil {
		c.TLS.SetDirectory(dir)
	}
	for _, path := range []*string{&c.PasswordFile, &c.CredentialsFile} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}
